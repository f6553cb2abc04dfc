"""Speaks Kubernetes: Secrets, workloads, pods, Leases and Events, as raw JSON over one ApiClient
per cluster.

Start with `fleet.py`, which implements the port of that name; what it makes of the answers is
in pure modules: `contents.py`, `layout.py`, `record.py`, `rollout.py`.
"""

from __future__ import annotations

from rotator.kube.clusters import Clusters
from rotator.kube.connection import Connection
from rotator.kube.events import EventSink
from rotator.kube.evict import KubeEvictor
from rotator.kube.fleet import KubeFleet
from rotator.kube.lease import KubeLease
from rotator.kube.lease_state import LeaseState
from rotator.kube.outbox import Reference
from rotator.kube.prove import prove, unproven

__all__ = [
    "Clusters",
    "Connection",
    "EventSink",
    "KubeEvictor",
    "KubeFleet",
    "KubeLease",
    "LeaseState",
    "Reference",
    "prove",
    "unproven",
]
