"""The sandbox: a simulated Azure, Kubernetes clusters and gateway pods, over real HTTP."""

from __future__ import annotations

from sandbox.azure import Azure, Gateway, Minted, fingerprint
from sandbox.azure.eventgrid import EventGrid
from sandbox.azure.gateway_pod import PodAuth
from sandbox.cluster import Cluster
from sandbox.faults import Faults
from sandbox.journal import Journal
from sandbox.world import Sandbox

__all__ = [
    "Azure",
    "Cluster",
    "EventGrid",
    "Faults",
    "Gateway",
    "Journal",
    "Minted",
    "PodAuth",
    "Sandbox",
    "fingerprint",
]
