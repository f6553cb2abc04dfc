"""What a rotation needs from the world. Every write names the version that it was derived from.

Whatever a library raises stops at the adapter: only the errors of `rotator.errors` come through.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from rotator.core.observation import Observation, Pod, Request, Target, Workload
from rotator.core.records import Key, Record
from rotator.core.steps import Step
from rotator.core.verification import SignerQuery


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token fresh from the issuer, bare (without `GatewayKey `): the only object that carries the value."""

    value: str = field(repr=False)
    key: Key
    fingerprint: str
    expires_at: datetime


class Issuer(Protocol):
    """Mints the tokens of one gateway."""

    async def issue(self, key: Key, expires_at: datetime) -> IssuedToken:
        """Return the token of key and expiry (UTC, cut to the minute). The same again if asked again.

        Raises:
            Unavailable: Azure did not answer, or asked to be left alone for a while.
            Refused: the gateway does not exist, or this process may not issue tokens for it.
        """
        ...

    async def signers(self, signer_queries: Iterable[SignerQuery]) -> Mapping[str, Key | None]:
        """Return by fingerprint which key signs it today; None if neither does: the token is dead.

        A token that could not be asked about (Azure away, issuer not deterministic) is left out.
        """
        ...


class Revoker(Protocol):
    """Ends all tokens of a key. A capability apart: it needs a right of its own at Azure.

    patience: how long a call may take; the Lease has to last longer.
    """

    patience: timedelta

    async def regenerate(self, key: Key) -> None:
        """End every token of key. Has no fence: sent once, and given up well within the Lease's duration.

        Raises:
            Unavailable: whether it happened is unknown; ask who signs the tokens.
            Refused: it did not happen, and somebody has to change something first.
        """
        ...


class TargetStore(Protocol):
    """The targets of one gateway."""

    async def observe(self) -> Observation:
        """Return what is seen just now, without signers.

        Raises:
            Unavailable: the cluster did not answer.
        """
        ...

    async def secrets(self) -> Observation:
        """As observe, but without a look at workloads and Lease: for noting requests."""
        ...

    async def write(self, target: Target, token: IssuedToken | None, record: Record) -> None:
        """Replace value (None: leave it) and annotations in one guarded request.

        Raises:
            Conflict: the Secret changed since target was seen.
        """
        ...

    async def request(self, target: Target, request: Request) -> None:
        """Note durably that somebody wants a rotation. Raises Conflict as write does."""
        ...

    async def restart(self, target: Target, workload: Workload, template_token: str | None) -> None:
        """Set the pod template's token (None: remove it) and note the time, in one guarded request."""
        ...

    async def find(self, fingerprint: str) -> IssuedToken | None:
        """Return the token with its value from any target that holds it."""
        ...

    async def changed(self, seen: Observation, within: timedelta) -> None:
        """Return when a workload or pod is no longer as seen, or when within has passed. May return early."""
        ...


class Evictor(Protocol):
    """Replaces single pods. A capability apart: it needs rights of its own."""

    async def evict(self, target: Target, pod: Pod) -> None:
        """Have the pod replaced, as PodDisruptionBudgets allow; one that is gone is no error.

        Raises:
            Unavailable: a budget does not allow it now, or the cluster did not answer.
            Refused: this process may not.
        """
        ...


class Lease(Protocol):
    """The right to act on one gateway: one holder at a time, over all processes."""

    async def acquire(self, seen: Observation) -> bool:
        """Take the lease as it was when seen; False if another process holds it.

        Raises:
            Conflict: it changed hands since seen: look again.
        """
        ...

    async def assert_held(self, lasting: timedelta = timedelta()) -> None:
        """Return if this process holds it, and for so long unrenewed; or raise LeaseLost."""
        ...

    async def condemn(self, keys: frozenset[Key]) -> None:
        """Have exactly these keys on the Lease as condemned: a replaced Secret loses what it knew."""
        ...

    async def count_restore(self) -> None:
        """Note a repair on the Lease, the one object that no stranger rewrites."""
        ...

    async def release(self) -> None:
        """Let go, if it is held. Never raises: a lease runs out by itself."""
        ...


@dataclass(frozen=True, slots=True)
class FetchedEvent:
    """An event of an Event Grid namespace that this process holds until its lock runs out.

    event: as it came, an object if all is well. deliveries: how often it was delivered, this time included.
    """

    lock: str = field(repr=False)
    deliveries: int
    event: object = field(repr=False)


class EventQueue(Protocol):
    """One subscription of an Event Grid namespace. Each call raises Unavailable or Refused if it failed; the
    calls that settle locks return how many of them had been lost.
    """

    async def receive(self, most: int, wait: timedelta) -> list[FetchedEvent]:
        """Return at most this many events as soon as there are any, and none after wait (10 to 120 s)."""
        ...

    async def acknowledge(self, locks: Sequence[str]) -> int:
        """Remove events that were dealt with."""
        ...

    async def reject(self, locks: Sequence[str]) -> int:
        """Give up events that no receiver can deal with: they are dead-lettered, or dropped."""
        ...

    async def release(self, locks: Sequence[str], delay: timedelta) -> int:
        """Return events to the queue; they come again after delay: 0, 10, 60, 600 or 3600 s, no other."""
        ...

    async def renew(self, locks: Sequence[str]) -> int:
        """Keep the events for another lock duration."""
        ...


class Clock(Protocol):
    """Time, and whether there is any left."""

    def now(self) -> datetime:
        """Return the time of day, UTC."""
        ...

    def checkpoint(self) -> None:
        """Raise Stopping if the process was asked to leave. Called before each step."""
        ...

    async def wait(self, change: Coroutine[Any, Any, None]) -> None:
        """Wait for change; raise Stopping as soon as the process is asked to leave."""
        ...


class Reporter(Protocol):
    """Tells people and machines what goes on. Never raises: reporting does not fail the work."""

    def decided(self, step: Step, seen: Observation, now: datetime) -> None:
        """Say what comes next and why. Called again for each further look while rollouts go on."""
        ...

    def failed(self, step: Step, error: Exception) -> None:
        """Say that the step could not be taken, and that everything else goes on without it."""
        ...

    def done(self, step: Step, now: datetime) -> None:
        """Say that the step's effect has happened."""
        ...
