"""A world to run in: simulated Azure, Kubernetes and gateway pods, over real HTTP."""

from __future__ import annotations

from rotator.sandbox.azure import Azure, Gateway, Minted, fingerprint
from rotator.sandbox.azure.eventgrid import EventGrid
from rotator.sandbox.azure.gateway_pod import PodAuth
from rotator.sandbox.cluster import Cluster
from rotator.sandbox.faults import Faults
from rotator.sandbox.journal import Journal
from rotator.sandbox.world import Sandbox

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
