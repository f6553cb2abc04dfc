"""Sends the Events of one cluster, one after the other, in the background."""

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
from rotator.kube.client.connection import Connection
from rotator.kube.client.responses import Json, NotFound
from rotator.redaction import redact_quoted

_WAITING = 256
_REMEMBERED = 512
_LONGEST = 1000
FAREWELL = 2.0
"""Seconds for what still waits when the sink is closed."""
_log = logging.getLogger("rotator.kube")


Severity = Literal["Normal", "Warning"]


@dataclass(frozen=True, slots=True)
class Reference:
    """What an Event is about. An Event lives in the cluster (None: home) and the namespace of that."""

    kind: str
    api_version: str
    namespace: str
    name: str
    uid: str
    context: str | None = None


@dataclass(frozen=True, slots=True)
class _Happening:
    about: Reference
    severity: str
    reason: str
    message: str


class Outbox:
    """Sends the Events of one cluster; the same again only raises a count."""

    def __init__(self, cluster: Cluster, component: str, instance: str, farewell: float = FAREWELL) -> None:
        self._farewell = farewell
        self._cluster = cluster
        self._component = component
        self._instance = instance
        self._queue: asyncio.Queue[tuple[_Happening, datetime]] = asyncio.Queue(_WAITING)
        self._sent: OrderedDict[_Happening, tuple[str, int]] = OrderedDict()
        self._worker: asyncio.Task[None] | None = None
        self._complained = False

    def put(self, about: Reference, severity: Severity, reason: str, message: str) -> None:
        """Have an Event sent. Returns at once; drops it when too many wait. reason: CamelCase."""
        happening = _Happening(about, severity, reason, redact_quoted(message)[:_LONGEST])
        try:
            self._queue.put_nowait((happening, datetime.now(UTC)))
        except asyncio.QueueFull:
            _log.debug("too many Events wait: dropped one (%s)", reason)
            return
        if self._worker is None:
            self._worker = asyncio.create_task(self._work(), name="kubernetes events")

    async def aclose(self) -> None:
        """Send what waits, for two seconds at most (farewell)."""
        if self._worker is None:
            return
        try:
            async with asyncio.timeout(self._farewell):
                await self._queue.join()
        except TimeoutError:
            _log.info("%d Kubernetes Events were not sent", self._queue.qsize() + 1)
        finally:
            worker, self._worker = self._worker, None
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            happening, at = await self._queue.get()
            try:
                await self._send(happening, at)
            except RotatorError as problem:
                level = logging.DEBUG if self._complained else logging.WARNING
                self._complained = True
                _log.log(level, "Kubernetes Events cannot be written: %s", problem)
            except Exception as problem:  # noqa: BLE001 - one Event's trouble is no other Event's
                _log.warning("a Kubernetes Event was lost: %s", type(problem).__name__)
            finally:
                self._queue.task_done()

    async def _send(self, happening: _Happening, at: datetime) -> None:
        trouble = None
        async with self._cluster.use() as connection:
            try:
                await self._send_to(connection, happening, at)
            except Unavailable as problem:
                trouble = (
                    problem  # Events have a store and limits of their own: the cluster is not away for that
                )
        if trouble:
            raise trouble

    async def _send_to(self, connection: Connection, happening: _Happening, at: datetime) -> None:
        stamp = f"{at:%Y-%m-%dT%H:%M:%SZ}"
        name, count = self._sent.get(happening, ("", 0))
        if name:
            try:
                path = f"{paths.events(happening.about.namespace)}/{name}"
                body = {"count": count + 1, "lastTimestamp": stamp}
                await connection.patch(path, body, f"Event {name}")
            except NotFound:  # the server forgets Events after an hour
                name, count = "", 0
        if not name:
            name = f"{happening.about.name[:200]}.{uuid.uuid4().hex[:16]}"
            path = paths.events(happening.about.namespace)
            await connection.call("POST", path, body=self._body(happening, name, stamp), what=f"Event {name}")
        self._sent[happening] = (name, count + 1)
        self._sent.move_to_end(happening)
        if len(self._sent) > _REMEMBERED:
            self._sent.popitem(last=False)

    def _body(self, happening: _Happening, name: str, stamp: str) -> Json:
        about = happening.about
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
            "type": happening.severity,
            "reason": happening.reason,
            "message": happening.message,
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
            "source": {"component": self._component},
            "reportingComponent": self._component,
            "reportingInstance": self._instance,
        }
