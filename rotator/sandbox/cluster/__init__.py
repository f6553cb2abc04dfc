"""A small but truthful Kubernetes control plane in one asyncio process."""

from __future__ import annotations

from rotator.sandbox.cluster.cluster import Cluster
from rotator.sandbox.cluster.program import Program, Verdict
from rotator.sandbox.cluster.statuses import ApiError

__all__ = ["ApiError", "Cluster", "Program", "Verdict"]
