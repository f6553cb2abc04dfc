"""The right to act on one gateway: a Lease that is taken, renewed and given back, guarded each time.

Whether another holder's Lease has run out is judged by this process's own monotonic clock, from
when it first saw that version: clocks of other nodes do not matter.
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
from rotator.kube.lease_state import CONDEMNED, REPAIRED_AT, REPAIRS, LeaseState, read_state
from rotator.kube.targets.annotations import write_time
from rotator.ports import Lease

FORGIVEN = timedelta(days=2)
"""After so long without a repair the count begins anew."""
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
        """identity: a process started anew under the same one may take over at once."""
        self._connection = connection
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._duration = duration.total_seconds()
        self._monotonic = monotonic
        self._clock = clock
        self._what = f"Lease {namespace}/{name}"
        self._state = LeaseState(None)
        self._seen_at = monotonic()
        self._good_until: float | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()

    @property
    def holder(self) -> str:
        """Who held it when it was last read; empty: nobody."""
        return self._state.holder

    @property
    def expires_in(self) -> timedelta:
        """How long until another holder's Lease has run out for this process, at the earliest."""
        lasts = self._state.seconds or self._duration
        return timedelta(seconds=max(0.0, self._seen_at + lasts - self._monotonic()))

    async def read(self) -> LeaseState:
        """Return the Lease as it is. If another process has it by now, it is lost at once. Raises
        Unavailable, Refused.
        """
        held = None if self._good_until is None else self._state.transitions
        try:
            answer = await self._connection.call(
                "GET", paths.lease(self._namespace, self._name), what=self._what
            )
        except NotFound:
            answer = {}
        state = read_state(answer)
        if self._renewal and held == self._state.transitions and not self._ours(state):
            self._renewal.cancel()
            self._good_until = None
            _log.warning("%s was taken by %s", self._what, state.holder or "nobody")
        if self._good_until is None:
            self._note(answer)
        return state

    def _ours(self, state: LeaseState) -> bool:
        return (state.holder, state.transitions) == (self._identity, self._state.transitions)

    async def acquire(self, observation: Observation) -> bool:
        """Take the Lease at the version of observation; False: another process holds it (`holder`).

        Raises Conflict, Unavailable, Refused.
        """
        if self._good_until is not None:
            await self.assert_held()
            return True
        state = self._state
        if state.version != observation.lease:
            raise Conflict(f"{self._what} has been looked at again since")
        if state.holder not in {"", self._identity} and self.expires_in > timedelta():
            return False
        before = self._monotonic()
        self._note(await self._take(state))
        self._good_until = before + self._duration
        self._renewal = asyncio.create_task(self._keep(), name=f"renewal of {self._what}")
        return True

    async def _take(self, state: LeaseState) -> Json:
        spec = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": math.ceil(self._duration),  # others never believe in it for less
            "acquireTime": self._now(),
            "renewTime": self._now(),
            "leaseTransitions": state.transitions + 1,  # tells two processes of one identity apart
        }
        if state.version is not None:
            return await self._patch(state.version, spec=spec)
        labels = {"app.kubernetes.io/managed-by": FIELD_MANAGER}
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._name, "namespace": self._namespace, "labels": labels},
            "spec": spec,
        }
        path, query = paths.leases(self._namespace), [("fieldManager", FIELD_MANAGER)]
        try:
            return await self._connection.call("POST", path, query=query, body=body, what=self._what)
        except NotFound:
            raise Refused(
                f"{self._what} cannot be created", f"Create namespace {self._namespace}, or name another."
            ) from None

    async def assert_held(self, lasting: timedelta = timedelta()) -> None:
        """Return if this process still holds it, with time to spare for a write and for lasting; or raise
        LeaseLost.
        """
        spare = max(self._margin, lasting.total_seconds())
        if self._good_until is None or self._monotonic() >= self._good_until - spare:
            raise LeaseLost(f"{self._what} is not held any longer (last holder: {self.holder or 'nobody'})")

    async def count_restore(self) -> None:
        """Count a repair on the Lease. Raises LeaseLost, Unavailable."""
        await self.assert_held()
        async with self._turn:
            state, now = self._state, self._clock()
            recent = state.last_restored_at is not None and now - state.last_restored_at <= FORGIVEN
            facts = {REPAIRS: str(state.restores + 1 if recent else 1), REPAIRED_AT: write_time(now)}
            await self._update(annotations=facts)

    async def condemn(self, keys: frozenset[Key]) -> None:
        """Remember exactly these keys as condemned. Raises LeaseLost, Unavailable."""
        await self.assert_held()
        async with self._turn:
            if keys != self._state.condemned:
                await self._update(annotations={CONDEMNED: ",".join(sorted(keys)) or None})

    async def release(self) -> None:
        """Let go, if it is held. Never raises: a Lease runs out by itself."""
        renewal, self._renewal = self._renewal, None
        if renewal:
            renewal.cancel()
            await asyncio.gather(renewal, return_exceptions=True)
        held, self._good_until = self._good_until is not None, None
        if not held:
            return
        try:
            await self._update(spec={"holderIdentity": None})
        except RotatorError as problem:
            _log.info("%s could not be given back and runs out by itself: %s", self._what, problem)

    async def _keep(self) -> None:
        """Renew until cancelled, or until another process has it."""
        pause = self._duration / 3
        while True:
            await asyncio.sleep(pause)
            try:
                async with self._turn:
                    before = self._monotonic()
                    await self._update(spec={"renewTime": self._now()})
                    self._good_until = before + self._duration
                pause = self._duration / 3
            except LeaseLost:
                self._good_until = None
                _log.warning("%s was taken by %s", self._what, self.holder or "nobody")
                return
            except RotatorError as problem:
                _log.info("%s could not be renewed, trying again: %s", self._what, problem)
                pause = self._duration / 10

    async def _update(self, *, spec: Json | None = None, annotations: Json | None = None) -> None:
        """Patch the Lease that is held. If it changed but is still ours (an answer of the server
        was lost, or somebody edited it), once more. Raises LeaseLost, Unavailable, Refused.
        """
        for version in (self._state.version, None):
            if version is None:
                await self._look_whether_ours()
            with contextlib.suppress(Conflict):
                self._note(await self._patch(version or self._state.version, spec, annotations))
                return
        raise LeaseLost(f"{self._what} keeps changing")

    async def _look_whether_ours(self) -> None:
        transitions = self._state.transitions
        path = paths.lease(self._namespace, self._name)
        try:
            self._note(
                await self._connection.call("GET", path, what=self._what, call_timeout=self._call_timeout)
            )
        except NotFound:
            self._note({})
        if self._state.holder != self._identity or self._state.transitions != transitions:
            raise LeaseLost(f"{self._what} was taken by {self._state.holder or 'nobody'}")

    async def _patch(
        self, version: str | None, spec: Json | None = None, annotations: Json | None = None
    ) -> Json:
        meta = {"resourceVersion": version} | ({"annotations": annotations} if annotations else {})
        body = {"metadata": meta} | ({"spec": spec} if spec else {})
        path = paths.lease(self._namespace, self._name)
        try:
            return await self._connection.patch(path, body, self._what, self._call_timeout)
        except NotFound:
            raise Conflict(f"{self._what} has been deleted") from None

    def _note(self, answer: Json) -> None:
        state = read_state(answer)
        if state.version != self._state.version:
            self._seen_at = self._monotonic()
        self._state = state

    @property
    def _margin(self) -> float:
        """Seconds before the end in which no write is begun any more."""
        return self._duration / 10

    @property
    def _call_timeout(self) -> float:
        return min(_CALL_TIMEOUT, self._duration / 3)

    def _now(self) -> str:
        """Return a MicroTime. The server refuses one without a fraction, clients may cut off zeros."""
        at = self._clock()
        return write_time(at if at.microsecond else at.replace(microsecond=1))
