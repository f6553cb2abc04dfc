"""The right to act on one gateway: a Lease that the rotator takes, renews and releases.

Another holder's Lease has expired if its version has not changed for its duration by this process's own
monotonic clock: the clocks of other nodes do not matter.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from rotator.core.observation import Observation
from rotator.core.records import Key
from rotator.errors import Conflict, LeaseLost, Refused, RotatorError
from rotator.kube.client import paths
from rotator.kube.client.connection import FIELD_MANAGER, Connection
from rotator.kube.client.responses import Json, NotFound
from rotator.kube.lease_state import CONDEMNED, LAST_RESTORED_AT, RESTORES, LeaseState, new_lease, read_lease
from rotator.kube.targets.annotations import write_time
from rotator.ports import Lease

RESTORES_FORGOTTEN_AFTER = timedelta(days=2)
"""Time without a restore after which the count begins at one again."""
_CALL_TIMEOUT = 5.0
"""Seconds that a call for the Lease takes at most; a third of its duration if that is less."""
_log = logging.getLogger("rotator.kube")


class KubeLease(Lease):
    """Implements the port `Lease` with one persistent `coordination.k8s.io/v1` Lease."""

    def __init__(
        self,
        connection: Connection,
        namespace: str,
        name: str,
        identity: str,
        duration: timedelta,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """identity: a process that restarts with the same identity takes its Lease over at once."""
        self._connection = connection
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._duration = duration.total_seconds()
        self._margin = self._duration / 10
        """Seconds before the end of the Lease in which no write begins."""
        self._monotonic = monotonic
        self._clock = clock
        self._path = paths.lease(namespace, name)
        self._what = f"Lease {namespace}/{name}"
        self._state = LeaseState(None)
        self._observed_at = monotonic()
        self._held_until: float | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._write_lock = asyncio.Lock()

    @property
    def holder(self) -> str:
        """Who held it when it was last read; empty: it was free."""
        return self._state.holder

    @property
    def expires_in(self) -> timedelta:
        """How long at least until another holder's Lease expires for this process."""
        duration = self._state.duration or self._duration
        return timedelta(seconds=max(0.0, self._observed_at + duration - self._monotonic()))

    async def read(self) -> LeaseState:
        """Return the Lease as it is. If another process holds it by now, this process has lost it at once.

        Raises Unavailable, Refused.
        """
        held = None if self._held_until is None else self._state.transitions
        answer = await self._get()
        state = read_lease(answer)
        if self._renewal and held == self._state.transitions and not self._is_own(state):
            self._renewal.cancel()
            self._held_until = None
            _log.warning("%s", self._lost_to(state.holder))
        if self._held_until is None:
            self._record(answer)
        return state

    def _is_own(self, state: LeaseState) -> bool:
        return (state.holder, state.transitions) == (self._identity, self._state.transitions)

    async def acquire(self, observation: Observation) -> bool:
        """Take the Lease as it was observed; False: another process holds it (`holder`, `expires_in`).

        Raises Conflict, Unavailable, Refused.
        """
        if self._held_until is not None:
            await self.assert_held()
            return True
        state = self._state
        if state.version != observation.lease:
            raise Conflict(f"{self._what} has been observed again since")
        if state.holder not in {"", self._identity} and self.expires_in > timedelta():
            return False
        before = self._monotonic()
        self._record(await self._take(state))
        self._held_until = before + self._duration
        self._renewal = asyncio.create_task(self._renew_until_lost(), name=f"renewal of {self._what}")
        return True

    async def _take(self, state: LeaseState) -> Json:
        spec = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": math.ceil(
                self._duration
            ),  # rounded up: others wait no less than this process holds it
            "acquireTime": self._now(),
            "renewTime": self._now(),
            "leaseTransitions": state.transitions + 1,  # distinguishes two processes of one identity
        }
        if state.version is not None:
            return await self._patch(state.version, spec=spec)
        body = new_lease(self._namespace, self._name, spec)
        path, query = paths.leases(self._namespace), [("fieldManager", FIELD_MANAGER)]
        try:
            return await self._connection.call("POST", path, query=query, body=body, what=self._what)
        except NotFound:
            raise Refused(
                f"{self._what} cannot be created",
                f"Create namespace {self._namespace}, or set kubernetes.lease_namespace to another.",
            ) from None

    async def assert_held(self, lasting: timedelta = timedelta()) -> None:
        """Return if this process still holds it for long enough for a write, and for lasting; else raise
        LeaseLost.
        """
        spare = max(self._margin, lasting.total_seconds())
        if self._held_until is None or self._monotonic() >= self._held_until - spare:
            raise LeaseLost(
                f"this process no longer holds {self._what} (last holder: {self.holder or 'none'})"
            )

    async def count_restore(self) -> None:
        """Count a restore on the Lease. Raises LeaseLost, Unavailable."""
        await self.assert_held()
        async with self._write_lock:
            state, now = self._state, self._clock()
            recent = (
                state.last_restored_at is not None
                and now - state.last_restored_at <= RESTORES_FORGOTTEN_AFTER
            )
            facts = {RESTORES: str(state.restores + 1 if recent else 1), LAST_RESTORED_AT: write_time(now)}
            await self._update(annotations=facts)

    async def condemn(self, keys: frozenset[Key]) -> None:
        """Note exactly these keys as condemned. Raises LeaseLost, Unavailable."""
        await self.assert_held()
        async with self._write_lock:
            if keys != self._state.condemned:
                await self._update(annotations={CONDEMNED: ",".join(sorted(keys)) or None})

    async def release(self) -> None:
        """Release it, if it is held. Never raises: a Lease expires by itself."""
        renewal, self._renewal = self._renewal, None
        if renewal:
            renewal.cancel()
            await asyncio.gather(renewal, return_exceptions=True)
        held, self._held_until = self._held_until is not None, None
        if not held:
            return
        try:
            await self._update(spec={"holderIdentity": None})
        except RotatorError as error:
            _log.info("%s could not be released and expires by itself: %s", self._what, error)

    async def _renew_until_lost(self) -> None:
        """Renew until cancelled, or until another process holds it."""
        pause = self._duration / 3
        while True:
            await asyncio.sleep(pause)
            try:
                async with self._write_lock:
                    before = self._monotonic()
                    await self._update(spec={"renewTime": self._now()})
                    self._held_until = before + self._duration
                pause = self._duration / 3
            except LeaseLost:
                self._held_until = None
                _log.warning("%s", self._lost_to(self.holder))
                return
            except RotatorError as error:
                _log.info("%s could not be renewed; the rotator tries again: %s", self._what, error)
                pause = self._duration / 10

    async def _update(self, *, spec: Json | None = None, annotations: Json | None = None) -> None:
        """Patch the held Lease. Repeats that once if the Lease changed but this process still holds it: an
        answer of the server was lost, or another writer edited it. Raises LeaseLost, Unavailable, Refused.
        """
        for version in (self._state.version, None):
            if version is None:
                await self._read_own()
            with contextlib.suppress(Conflict):
                self._record(await self._patch(version or self._state.version, spec, annotations))
                return
        raise LeaseLost(f"{self._what} keeps changing")

    async def _read_own(self) -> None:
        transitions = self._state.transitions
        self._record(await self._get(self._call_timeout))
        if self._state.holder != self._identity or self._state.transitions != transitions:
            raise LeaseLost(self._lost_to(self._state.holder))

    async def _get(self, call_timeout: float | None = None) -> Json:
        """Return the Lease; `{}` if it does not exist."""
        try:
            return await self._connection.call("GET", self._path, what=self._what, call_timeout=call_timeout)
        except NotFound:
            return {}

    async def _patch(
        self, version: str | None, spec: Json | None = None, annotations: Json | None = None
    ) -> Json:
        meta = {"resourceVersion": version} | ({"annotations": annotations} if annotations else {})
        body = {"metadata": meta} | ({"spec": spec} if spec else {})
        try:
            return await self._connection.patch(self._path, body, self._what, self._call_timeout)
        except NotFound:
            raise Conflict(f"{self._what} has been deleted") from None

    def _record(self, answer: Json) -> None:
        state = read_lease(answer)
        if state.version != self._state.version:
            self._observed_at = self._monotonic()
        self._state = state

    @property
    def _call_timeout(self) -> float:
        return min(_CALL_TIMEOUT, self._duration / 3)

    def _lost_to(self, holder: str) -> str:
        return f"another process took {self._what} (holder: {holder or 'none'})"

    def _now(self) -> str:
        """Return a MicroTime. The server refuses one without a fraction; clients may cut off zeros."""
        at = self._clock()
        return write_time(at if at.microsecond else at.replace(microsecond=1))
