"""What a rotation needs from the world. Every write names the version of the object that it follows from.

Errors of libraries stop at the adapter: only the errors of `rotator.errors` come through.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from rotator.core.observation import Observation, Pod, Request, Target, Workload
from rotator.core.records import Key, Record
from rotator.core.signing import SignerQuery
from rotator.core.steps import Step


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token fresh from the issuer, bare (without `GatewayKey `): the only object that carries the value."""

    value: str = field(repr=False)
    key: Key
    fingerprint: str
    expires_at: datetime


class Issuer(Protocol):
    """Issues the tokens of one gateway."""

    async def issue(self, key: Key, expires_at: datetime) -> IssuedToken:
        """Return the token of key and expiry (UTC, cut to the minute). The same again if asked again.

        Raises:
            Unavailable: Azure did not answer, or asked to retry later.
            Refused: the gateway does not exist, or this process may not issue tokens for it.
        """
        ...

    async def signers(self, signer_queries: Iterable[SignerQuery]) -> Mapping[str, Key | None]:
        """Return by fingerprint which key signs it today; None if neither does: the token is dead.

        A token that could not be asked about (Azure unreachable, issuer not deterministic) is left out.
        """
        ...


class Revoker(Protocol):
    """Regenerates keys. A separate port, because it needs a separate right at Azure.

    call_timeout: how long a call may take; the Lease has to last longer.
    """

    call_timeout: timedelta

    async def regenerate(self, key: Key) -> None:
        """End every token of key. Has no fence: sent once, and given up well within the Lease's duration.

        Raises:
            Unavailable: it is not known whether it happened; ask which key signs the tokens.
            Refused: it did not happen, and the operator has to change something first.
        """
        ...


class TargetStore(Protocol):
    """The targets of one gateway."""

    async def observe(self) -> Observation:
        """Return an observation without signers.

        Raises:
            Unavailable: the cluster did not answer.
        """
        ...

    async def secrets(self) -> Observation:
        """Return an observation of the Secrets only, without workloads and Lease: for noting requests."""
        ...

    async def write(self, target: Target, token: IssuedToken | None, record: Record) -> None:
        """Replace value (None: leave it) and annotations in one guarded request.

        Raises:
            Conflict: the Secret changed since target was observed.
        """
        ...

    async def request(self, target: Target, request: Request) -> None:
        """Note a request durably on the Secret. Raises Conflict as write does."""
        ...

    async def restart(self, target: Target, workload: Workload, template_token: str | None) -> None:
        """Set the pod template's token (None: remove it) and note the time, in one guarded request."""
        ...

    async def find(self, fingerprint: str) -> IssuedToken | None:
        """Return the token with its value from any target that holds it."""
        ...

    async def changed(self, observation: Observation, within: timedelta) -> None:
        """Return when a workload or pod has changed since observation, or after within. May return early."""
        ...


class Evictor(Protocol):
    """Replaces single pods. A separate port, because it needs separate rights."""

    async def evict(self, target: Target, pod: Pod) -> None:
        """Evict the pod, as PodDisruptionBudgets allow. A pod that is gone is not an error.

        Raises:
            Unavailable: a budget does not allow it now, or the cluster did not answer.
            Refused: this process has no right to evict it.
        """
        ...


class Lease(Protocol):
    """The right to act on one gateway: one holder at a time, over all processes."""

    async def acquire(self, observation: Observation) -> bool:
        """Take the Lease at the version of observation; False if another process holds it.

        Raises:
            Conflict: it changed since: observe again.
        """
        ...

    async def assert_held(self, lasting: timedelta = timedelta()) -> None:
        """Return if this process holds it, and for lasting without renewal; otherwise raise LeaseLost."""
        ...

    async def condemn(self, keys: frozenset[Key]) -> None:
        """Write exactly these keys to the Lease as condemned: there they outlive a replaced Secret."""
        ...

    async def count_restore(self) -> None:
        """Count a restore on the Lease, the one object that no other writer rewrites."""
        ...

    async def release(self) -> None:
        """Release it, if it is held. Never raises: a Lease expires by itself."""
        ...


@dataclass(frozen=True, slots=True)
class FetchedEvent:
    """An event of an Event Grid namespace that this process has locked for a while.

    event: as received; a JSON object unless the sender is wrong. deliveries: how often it was
    delivered, including this time.
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
        """Remove events that were handled."""
        ...

    async def reject(self, locks: Sequence[str]) -> int:
        """Reject events that no receiver can handle: they are dead-lettered, or dropped."""
        ...

    async def release(self, locks: Sequence[str], delay: timedelta) -> int:
        """Return events to the queue; they come again after delay: 0, 10, 60, 600 or 3600 s, no other."""
        ...

    async def renew(self, locks: Sequence[str]) -> int:
        """Keep the events for another lock duration."""
        ...


class Clock(Protocol):
    """The time, and whether the process is shutting down."""

    def now(self) -> datetime:
        """Return the time of day, UTC."""
        ...

    def checkpoint(self) -> None:
        """Raise Stopping if the process is shutting down. Called before each step."""
        ...

    async def wait(self, change: Coroutine[Any, Any, None]) -> None:
        """Wait for change; raise Stopping as soon as the process shuts down."""
        ...


class Reporter(Protocol):
    """Reports what happens, to people and machines. Never raises: reporting does not fail the work."""

    def decided(self, step: Step, observation: Observation, now: datetime) -> None:
        """Report the next step and why. Called again for each observation while rollouts go on."""
        ...

    def failed(self, step: Step, error: Exception) -> None:
        """Report that the step failed, and that everything else goes on without it."""
        ...

    def done(self, step: Step, now: datetime) -> None:
        """Report that the step was taken."""
        ...
