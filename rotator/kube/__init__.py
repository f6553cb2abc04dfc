"""Speaks Kubernetes: Secrets, workloads, pods, Leases and Events, as raw JSON over one ApiClient
per cluster.

Start with `targets/store.py`, which implements the port `TargetStore`. Pure modules parse the answers:
`targets/secret.py`, `annotations.py`, `workloads.py`, `pods.py`, `rollout_status.py`.
"""

from __future__ import annotations

from rotator.kube.client.clusters import Clusters
from rotator.kube.client.connection import Connection
from rotator.kube.client.preflight import check_access
from rotator.kube.event_sink import EventSink, Reference
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
