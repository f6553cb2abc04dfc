"""Notes durably that a rotation is wanted."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from rotator.core.observation import Observation, Request, Target
from rotator.core.renewal import asked_again, last_change, targets_with_expiry
from rotator.errors import Conflict, Unavailable
from rotator.ports import Clock, TargetStore

MAX_CONFLICTS = 10
"""Give up after the Secret changed this many times between look and write."""


class Noted(StrEnum):
    """What became of a request."""

    ACCEPTED = "accepted"
    """It is on the Secret now."""
    DUPLICATE = "duplicate"
    """A request that is not answered yet is there already."""
    STALE = "stale"
    """It is about a token that has been replaced."""
    ABSENT = "absent"
    """No target could be observed, so there is no Secret to note it on."""


async def request(
    store: TargetStore,
    clock: Clock,
    *,
    leak: bool = False,
    expires_at: datetime | None = None,
    happened_at: datetime | None = None,
    anew: bool = False,
    by: str = "",
) -> Noted:
    """Note a request for a rotation on the Secret, where it outlives this process.

    expires_at: the expiry (UTC) of the token that an event is about. happened_at: when the event
    happened, for events that name no expiry. An event about a token that was replaced is stale.
    anew: note it again even if a request is there, so that it does not wait for the back-off after
    a failed rollout.

    Raises:
        Unavailable: it could not be noted; ask again later.
    """
    for _ in range(MAX_CONFLICTS):
        observation = await store.secrets()
        if not observation.targets:
            return Noted.ABSENT
        if is_stale(observation, expires_at, happened_at):
            if any(u.transient for u in observation.unreachable):
                raise Unavailable(
                    "a target is unreachable, and the token that the event is about may be there"
                )
            return Noted.STALE
        again = anew and not asked_again(observation)
        wanted = [t for t in observation.targets if again or not is_noted(t, observation, leak=leak)]
        if not wanted:
            return Noted.DUPLICATE
        try:
            for t in wanted:
                leaked = leak or bool(t.request and t.request.leak and is_noted(t, observation, leak=False))
                await store.request(t, Request(lamport_stamp(observation, clock.now()), leaked, by))
        except Conflict:
            continue
        return Noted.ACCEPTED
    raise Unavailable("the request could not be noted: another writer keeps changing the Secret")


def is_stale(observation: Observation, expires_at: datetime | None, happened_at: datetime | None) -> bool:
    """Whether the event is about a token that was replaced."""
    if expires_at:
        return not targets_with_expiry(observation, expires_at)
    current = observation.current
    return bool(happened_at and current and happened_at <= current.token.issued_at)


def is_noted(target: Target, observation: Observation, *, leak: bool) -> bool:
    """Whether the target has an unanswered request already; leak: one that reports a leak."""
    request, current = target.request, observation.current
    if request is None or (leak and not request.leak):
        return False
    return current is None or request.at > current.token.issued_at


def lamport_stamp(observation: Observation, now: datetime) -> datetime:
    """Return a time later than the issue and the restore of the token to replace, whatever the clocks say."""
    return max(now, last_change(observation) + timedelta(seconds=1)) if observation.current else now
