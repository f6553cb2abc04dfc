"""Notes durably that somebody wants a rotation."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from rotator.core.observation import Observation, Request, Target
from rotator.core.renewal import asked_again, last_change, targets_with_expiry
from rotator.errors import Conflict, Unavailable
from rotator.ports import Clock, TargetStore

MAX_CONFLICTS = 10


class Noted(StrEnum):
    """What became of a request."""

    ACCEPTED = "accepted"
    """It is on the Secret now."""
    DUPLICATE = "duplicate"
    """One that is not answered yet was there already."""
    STALE = "stale"
    """It is about a token that has been replaced."""
    ABSENT = "absent"
    """No target can be looked at: there is nothing to note it on."""


async def request(
    fleet: TargetStore,
    clock: Clock,
    *,
    leak: bool = False,
    expires_at: datetime | None = None,
    seen_at: datetime | None = None,
    anew: bool = False,
    by: str = "",
) -> Noted:
    """Ask for a rotation, on the Secret itself, so that it outlives this process.

    expires_at: the expiry (UTC) of the token that an event complains about; seen_at: when the
    event happened, for events that name no expiry. A token that is gone is nobody's concern. anew: a
    request that waits, because the last token failed, is made again, and then waits no longer.

    Raises:
        Unavailable: it could not be noted; ask again later.
    """
    for _ in range(MAX_CONFLICTS):
        seen = await fleet.secrets()
        if not seen.targets:
            return Noted.ABSENT
        if stale(seen, expires_at, seen_at):
            if any(a.transient for a in seen.unreachable):
                raise Unavailable("a target is away, and the token that this is about may be there")
            return Noted.STALE
        again = anew and not asked_again(seen)
        wanted = [t for t in seen.targets if again or not asked(t, seen, leak=leak)]
        if not wanted:
            return Noted.DUPLICATE
        try:
            for t in wanted:
                leaked = leak or bool(t.request and t.request.leak and asked(t, seen, leak=False))
                await fleet.request(t, Request(stamp(seen, clock.now()), leaked, by))
        except Conflict:
            continue
        return Noted.ACCEPTED
    raise Unavailable("somebody else rewrites the Secret all the time")


def stale(seen: Observation, expires_at: datetime | None, seen_at: datetime | None) -> bool:
    if expires_at:
        return not targets_with_expiry(seen, expires_at)
    return bool(seen_at and seen.current and seen_at <= seen.current.token.issued_at)


def asked(t: Target, seen: Observation, *, leak: bool) -> bool:
    """Whether an unanswered request, as strong as this one, is on the target already."""
    if t.request is None or (leak and not t.request.leak):
        return False
    return seen.current is None or t.request.at > seen.current.token.issued_at


def stamp(seen: Observation, now: datetime) -> datetime:
    """Later than the token that is to go, and than its being put back, whatever the clocks say."""
    return max(now, last_change(seen) + timedelta(seconds=1)) if seen.current else now
