"""Kubernetes Events on Secrets and workloads, as `kubectl describe` shows them. Never fails the work."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from rotator.errors import RotatorError, Unavailable
from rotator.kube.client import paths
from rotator.kube.client.cluster import Cluster
from rotator.kube.client.clusters import Clusters
from rotator.kube.client.connection import Connection
from rotator.kube.client.responses import Json, NotFound
from rotator.redaction import redact_quoted

CLOSE_TIMEOUT = 2.0
"""Seconds that a sink that closes takes at most to send the Events that are still queued."""
_MAX_QUEUED = 256
"""Events that wait for one cluster at most; the sink drops further ones."""
_MAX_REMEMBERED = 512
"""Events of one cluster at most that the sink counts up when they occur again."""
_MAX_MESSAGE_LENGTH = 1000
"""Characters that are kept of a message (Kubernetes allows 1024)."""
_log = logging.getLogger("rotator.kube")

Severity = Literal["Normal", "Warning"]


@dataclass(frozen=True, slots=True)
class Reference:
    """The object that an Event is about. The Event is in its cluster (context None: home) and namespace."""

    kind: str
    api_version: str
    namespace: str
    name: str
    uid: str
    context: str | None = None


@dataclass(frozen=True, slots=True)
class _Event:
    about: Reference
    severity: Severity
    reason: str
    message: str


class EventSink:
    """Sends each Event to the cluster of its object. An unreachable cluster delays no other."""

    def __init__(
        self, clusters: Clusters, component: str, instance: str, close_timeout: float = CLOSE_TIMEOUT
    ) -> None:
        """component, instance: who reports. close_timeout: seconds for queued Events when the sink closes."""
        self._clusters = clusters
        self._component = component
        self._instance = instance
        self._close_timeout = close_timeout
        self._outboxes: dict[str | None, _Outbox] = {}

    def emit(self, about: Reference, severity: Severity, reason: str, message: str) -> None:
        """Queue an Event. Returns at once; drops it if too many are queued. reason: CamelCase."""
        event = _Event(about, severity, reason, redact_quoted(message)[:_MAX_MESSAGE_LENGTH])
        if about.context not in self._outboxes:
            cluster = self._clusters.at(about.context)
            self._outboxes[about.context] = _Outbox(cluster, self._component, self._instance)
        self._outboxes[about.context].put(event)

    async def aclose(self) -> None:
        """Send what is queued, within close_timeout."""
        await asyncio.gather(*(outbox.aclose(self._close_timeout) for outbox in self._outboxes.values()))


class _Outbox:
    """Sends the Events of one cluster one after the other, in the background; counts up an equal one."""

    def __init__(self, cluster: Cluster, component: str, instance: str) -> None:
        self._cluster = cluster
        self._component = component
        self._instance = instance
        self._queue: asyncio.Queue[tuple[_Event, datetime]] = asyncio.Queue(_MAX_QUEUED)
        self._sent: OrderedDict[_Event, tuple[str, int]] = OrderedDict()
        self._worker: asyncio.Task[None] | None = None
        self._warned = False

    def put(self, event: _Event) -> None:
        try:
            self._queue.put_nowait((event, datetime.now(UTC)))
        except asyncio.QueueFull:
            _log.debug("too many Events are queued: dropped one (%s)", event.reason)
            return
        if self._worker is None:
            self._worker = asyncio.create_task(self._work(), name="kubernetes events")

    async def aclose(self, seconds: float) -> None:
        if self._worker is None:
            return
        try:
            async with asyncio.timeout(seconds):
                await self._queue.join()
        except TimeoutError:
            _log.info("%d Kubernetes Events were not sent", self._queue.qsize() + 1)
        finally:
            worker, self._worker = self._worker, None
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            event, at = await self._queue.get()
            try:
                await self._send(event, at)
            except RotatorError as error:
                level = logging.DEBUG if self._warned else logging.WARNING
                self._warned = True
                _log.log(level, "Kubernetes Events cannot be written: %s", error)
            except Exception as error:  # noqa: BLE001 - a defect with one Event must not stop the others
                _log.warning("a Kubernetes Event was lost: %s", type(error).__name__)
            finally:
                self._queue.task_done()

    async def _send(self, event: _Event, at: datetime) -> None:
        unavailable = None
        async with self._cluster.use() as connection:
            try:
                await self._create_or_count(connection, event, at)
            except Unavailable as error:
                # Raised outside of the block: Events have a store and limits of their own, so this does not
                # open the cluster's circuit.
                unavailable = error
        if unavailable:
            raise unavailable

    async def _create_or_count(self, connection: Connection, event: _Event, at: datetime) -> None:
        stamp = f"{at:%Y-%m-%dT%H:%M:%SZ}"
        name, count = self._sent.get(event, ("", 0))
        if name:
            try:
                path = f"{paths.events(event.about.namespace)}/{name}"
                body = {"count": count + 1, "lastTimestamp": stamp}
                await connection.patch(path, body, f"Event {name}")
            except NotFound:  # the server deletes Events after an hour
                name, count = "", 0
        if not name:
            name = f"{event.about.name[:200]}.{uuid.uuid4().hex[:16]}"
            path = paths.events(event.about.namespace)
            await connection.call("POST", path, body=self._body(event, name, stamp), what=f"Event {name}")
        self._sent[event] = (name, count + 1)
        self._sent.move_to_end(event)
        if len(self._sent) > _MAX_REMEMBERED:
            self._sent.popitem(last=False)

    def _body(self, event: _Event, name: str, stamp: str) -> Json:
        about = event.about
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": about.namespace},
            "involvedObject": {
                "kind": about.kind,
                "apiVersion": about.api_version,
                "namespace": about.namespace,
                "name": about.name,
                "uid": about.uid,
            },
            "type": event.severity,
            "reason": event.reason,
            "message": event.message,
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": self._instance,
        }
