"""A small Kubernetes control plane in one asyncio process, tested against a real one."""

from __future__ import annotations

from sandbox.cluster.cluster import Cluster
from sandbox.cluster.program import Program, Verdict
from sandbox.cluster.statuses import ApiError

__all__ = ["ApiError", "Cluster", "Program", "Verdict"]
