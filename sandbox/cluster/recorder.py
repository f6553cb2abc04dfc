"""Writes v1 Events for controllers and the kubelet; deletes the oldest."""

from __future__ import annotations

from collections import deque
from typing import Literal

from sandbox.cluster.objects import name_of, namespace_of, random_suffix, stamp, uid_of
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources import BY_PLURAL
from sandbox.cluster.statuses import ApiError
from sandbox.common import Json

MAX_EVENTS = 2_000
"""Events that are kept; a real API server deletes them after an hour."""


class Recorder:
    """Writes events about objects. Never fails: a lost event does no harm."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._written: deque[tuple[str, str, str]] = deque()

    def record(
        self,
        about: Json,
        reason: str,
        message: str,
        source: str,
        kind: Literal["Normal", "Warning"] = "Normal",
    ) -> None:
        now = stamp(self._registry.store.clock())
        namespace = namespace_of(about) or "default"
        involved = {"apiVersion": about["apiVersion"], "kind": about["kind"], "uid": uid_of(about)}
        involved |= {"namespace": namespace, "name": name_of(about)}
        event: Json = {
            "metadata": {"name": f"{name_of(about)}.{random_suffix(16)}"},
            "involvedObject": involved,
            "reason": reason,
            "message": message,
            "type": kind,
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": {"component": source},
            "reportingComponent": source,
            "reportingInstance": "",
        }
        try:
            stored = self._registry.create(BY_PLURAL["events"], namespace, event)
        except ApiError:
            return  # the namespace is terminating
        self._written.append(("events", namespace, name_of(stored)))
        if len(self._written) > MAX_EVENTS:
            self._registry.store.remove(self._written.popleft())
