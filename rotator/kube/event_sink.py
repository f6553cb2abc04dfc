"""Kubernetes Events on Secrets and workloads: what `kubectl describe` shows. Never fails the work."""

from __future__ import annotations

import asyncio

from rotator.kube.client.clusters import Clusters
from rotator.kube.event_outbox import FAREWELL, Outbox, Reference, Severity


class EventSink:
    """Sends each Event to the cluster of what it is about. A cluster that is away holds up no other."""

    def __init__(self, clusters: Clusters, component: str, instance: str, farewell: float = FAREWELL) -> None:
        """component, instance: who reports. farewell: seconds for what still waits at the end."""
        self._clusters = clusters
        self._component = component
        self._instance = instance
        self._farewell = farewell
        self._outboxes: dict[str | None, Outbox] = {}

    def emit(self, about: Reference, severity: Severity, reason: str, message: str) -> None:
        """Have an Event sent. Returns at once; drops it when too many wait. reason: CamelCase."""
        if about.context not in self._outboxes:
            cluster = self._clusters.at(about.context)
            self._outboxes[about.context] = Outbox(cluster, self._component, self._instance, self._farewell)
        self._outboxes[about.context].put(about, severity, reason, message)

    async def aclose(self) -> None:
        """Send what waits, for two seconds at most (farewell)."""
        await asyncio.gather(*(outbox.aclose() for outbox in self._outboxes.values()))
