"""Speaks Kubernetes: Secrets, workloads, pods, Leases and Events, as raw JSON over one ApiClient
per cluster.

Start with `fleet.py`, which implements the port of that name; what it makes of the answers is
in pure modules: `contents.py`, `layout.py`, `record.py`, `rollout.py`.
"""

from __future__ import annotations

from rotator.kube.client.clusters import Clusters
from rotator.kube.client.connection import Connection
from rotator.kube.client.preflight import check_access
from rotator.kube.event_outbox import Reference
from rotator.kube.event_sink import EventSink
from rotator.kube.lease import KubeLease
from rotator.kube.lease_state import LeaseState
from rotator.kube.targets.evict import KubeEvictor
from rotator.kube.targets.store import KubeTargetStore

__all__ = [
    "Clusters",
    "Connection",
    "EventSink",
    "KubeEvictor",
    "KubeLease",
    "KubeTargetStore",
    "LeaseState",
    "Reference",
    "check_access",
]
