"""The targets of one gateway in Kubernetes: looks at them, writes tokens, rolls workloads over."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rotator.config import TargetSettings
from rotator.core.records import Record
from rotator.core.seen import Absent, Observed, Request, Target, Workload
from rotator.core.words import Key
from rotator.errors import Conflict, Refused
from rotator.kube import paths, workloads
from rotator.kube.answers import Json, NotFound
from rotator.kube.connection import Connection
from rotator.kube.contents import LAST_APPLIED, Contents, read_contents, read_token, write_value
from rotator.kube.events import EventSink, Reference
from rotator.kube.lease import KubeLease
from rotator.kube.lease_state import LeaseState
from rotator.kube.pods import MARK
from rotator.kube.reads import Reads, first_error
from rotator.kube.record import encode_record, encode_request, write_time
from rotator.kube.watching import Sight, sights, until_changed
from rotator.kube.workloads import RESTARTED_AT, Found
from rotator.ports import Fleet, IssuedToken

_SETTLE = 0.05
"""Seconds in which further changes are awaited: they come in swarms."""
_BREATH = 0.2
"""Seconds at least between two returns of `changed`."""
_log = logging.getLogger("rotator.kube")


@dataclass(frozen=True, slots=True)
class _Look:
    """What is kept of a look at a target until the next one. Never a value."""

    contents: Contents
    found: Found | None
    sights: tuple[Sight, ...]


class KubeFleet(Fleet):
    """Implements the port `Fleet`. A target's name is `namespace/secret`."""

    def __init__(
        self,
        connection: Connection,
        gateway: str,
        targets: Sequence[TargetSettings],
        lease: KubeLease,
        clock: Callable[[], datetime],
        events: EventSink | None = None,
    ) -> None:
        """gateway: the last segment of its ARM id, which tokens must carry. clock: time, UTC."""
        self._connection = connection
        self._gateway = gateway
        self._targets = {f"{t.namespace}/{t.secret}": t for t in targets}
        self._lease = lease
        self._clock = clock
        self._events = events
        self._looks: dict[str, _Look] = {}
        self._breathed = 0.0

    async def observe(self) -> Observed:
        """Return what is seen just now. Raises Unavailable; Refused if the Lease may not be read."""
        return await self._gather(closely=True)

    async def secrets(self) -> Observed:
        """As observe, but without a look at workloads and Lease."""
        return await self._gather(closely=False)

    async def _gather(self, *, closely: bool) -> Observed:
        try:
            async with asyncio.TaskGroup() as group:
                reads = Reads(self._connection, group)
                tasks = [group.create_task(self._look(name, reads, closely)) for name in self._targets]
                lease = group.create_task(self._lease.read()) if closely else None
        except BaseExceptionGroup as errors:
            raise first_error(errors) from None
        looked = [task.result() for task in tasks]
        state = lease.result() if lease else LeaseState(None)
        return Observed(
            tuple(t for t in looked if isinstance(t, Target)),
            tuple(t for t in looked if isinstance(t, Absent)),
            repairs=state.repairs,
            repaired_at=state.repaired_at,
            lease=state.version,
        )

    async def _look(self, name: str, reads: Reads, closely: bool) -> Target | Absent:
        settings, what = self._targets[name], f"Secret {name}"
        try:
            if closely:
                workloads.begin(reads, settings)
            secret = await reads.get(paths.secret(settings.namespace, settings.secret), what)
            contents = read_contents(secret, what, settings.key, self._gateway)
            found = await workloads.find(reads, settings, contents.key) if closely else None
        except NotFound:
            create = f"kubectl -n {settings.namespace} create secret generic {settings.secret}"
            return Absent(name, f"{what} does not exist. Correct the target, or create it empty: {create}")
        except Refused as problem:
            return Absent(name, str(problem))
        self._remember(name, contents, found)
        return _target(name, contents, found)

    def _remember(self, name: str, contents: Contents, found: Found | None) -> None:
        settings, before = self._targets[name], self._looks.get(name)
        if found:
            watched = tuple(sights(found, settings.namespace, settings.secret, contents.key))
            self._looks[name] = _Look(contents, found, watched)
        else:
            self._looks[name] = _Look(
                contents, before.found if before else None, before.sights if before else ()
            )

    async def write(self, target: Target, token: IssuedToken | None, record: Record) -> None:
        """Replace value and annotations in one guarded request. Raises Conflict, Refused, Unavailable."""
        look = self._look_at(target)
        body: Json = {"metadata": {"annotations": dict(encode_record(record))}}
        if look.contents.leaks:
            body["metadata"]["annotations"][LAST_APPLIED] = None
        if token:
            body["data"] = {look.contents.key: write_value(token.value, prefixed=target.prefixed)}
        await self._patch(target, body)
        if look.contents.leaks:
            self._tell_leak(target.name)

    async def request(self, target: Target, request: Request) -> None:
        """Note a request. Raises as write does."""
        await self._patch(target, {"metadata": {"annotations": dict(encode_request(request))}})

    async def _patch(self, target: Target, body: Json) -> None:
        settings, what = self._targets[target.name], f"Secret {target.name}"
        body["metadata"]["resourceVersion"] = target.version
        try:
            await self._connection.patch(paths.secret(settings.namespace, settings.secret), body, what)
        except NotFound:
            raise Conflict(f"{what} has been deleted") from None

    async def restart(self, target: Target, workload: Workload, mark: str | None) -> None:
        """Mark the pod template and note the time. Raises as write does."""
        namespace, what = self._targets[target.name].namespace, f"{workload.name} of {target.name}"
        body: Json = {
            "metadata": {
                "resourceVersion": workload.version,
                "annotations": {RESTARTED_AT: write_time(self._clock())},
            },
            "spec": {"template": {"metadata": {"annotations": {MARK: mark}}}},
        }
        try:
            await self._connection.patch(paths.workload(namespace, workload.name), body, what)
        except NotFound:
            raise Conflict(f"{what} has been deleted") from None

    async def find(self, fingerprint: str) -> IssuedToken | None:
        """Return the token from any target that holds it; those that held it last are asked first.

        Its key is as recorded; primary where nobody could tell.
        """
        last = {n: k.contents.fingerprint == fingerprint for n, k in self._looks.items()}
        for name in sorted(self._targets, key=lambda n: not last.get(n, False)):
            if found := await self._token_in(name, fingerprint):
                return found
        return None

    async def _token_in(self, name: str, fingerprint: str) -> IssuedToken | None:
        settings, what = self._targets[name], f"Secret {name}"
        try:
            path = paths.secret(settings.namespace, settings.secret)
            secret = await self._connection.call("GET", path, what=what)
            contents = read_contents(secret, what, settings.key, self._gateway)
        except (NotFound, Refused):
            return None
        token = read_token(secret, contents.key)
        if token is None or token.fingerprint != fingerprint:
            return None
        return IssuedToken(token.value, _key(contents.record, fingerprint), fingerprint, token.expires_at)

    async def changed(self, seen: Observed, within: timedelta) -> None:
        """Return when a workload or pod of a target that is under way is no longer as seen."""
        wanted = [
            sight
            for t in [t for t in seen.targets if _under_way(t)] or seen.targets
            if (look := self._looks.get(t.name))
            for sight in look.sights
        ]
        await until_changed(self._connection, wanted, within.total_seconds())
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(_SETTLE, self._breathed + _BREATH - loop.time()))
        self._breathed = loop.time()

    def reference(self, target: str, workload: str = "") -> Reference | None:
        """Return what Kubernetes Events shall point at, as of the last look: a target's Secret,
        or one of its workloads (`kind/name`).
        """
        settings, look = self._targets.get(target), self._looks.get(target)
        if settings is None or look is None:
            return None
        if not workload:
            return Reference("Secret", "v1", settings.namespace, settings.secret, look.contents.uid)
        for raw in look.found.raw if look.found else ():
            if workloads.name_of(raw) == workload:
                meta = raw["metadata"]
                return Reference(raw["kind"], "apps/v1", settings.namespace, meta["name"], meta["uid"])
        return None

    def _look_at(self, target: Target) -> _Look:
        """Return what was seen of target. Where that is newer than target, the server tells."""
        if look := self._looks.get(target.name):
            return look
        raise Conflict(f"Secret {target.name} has not been looked at yet")

    def _tell_leak(self, name: str) -> None:
        said = (
            "kubectl apply had left a copy of a token in the Secret's annotation last-applied-configuration: "
            "removed. Whoever could read the Secret's metadata may have seen it."
        )
        _log.warning("Secret %s: %s", name, said)
        if self._events and (about := self.reference(name)):
            self._events.emit(about, "Warning", "TokenInAnnotation", said)


def _target(name: str, contents: Contents, found: Found | None) -> Target:
    return Target(
        name,
        contents.fingerprint,
        contents.expires_at,
        contents.record,
        found.workloads if found else (),
        contents.request,
        contents.version,
        found.flaw if found else "",
        contents.prefixed,
    )


def _key(record: Record | None, fingerprint: str) -> Key:
    tokens = [record.decision.token] if record else []
    tokens += [record.previous.token] if record and record.previous else []
    return next((t.key for t in tokens if t.fingerprint == fingerprint and t.key), Key.PRIMARY)


def _under_way(target: Target) -> bool:
    return target.record is not None and not target.record.verified
