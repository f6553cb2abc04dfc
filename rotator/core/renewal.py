"""When a token has to be replaced, and why."""

from __future__ import annotations

from datetime import datetime, timedelta

from rotator.core.observation import Observation, Request, Target
from rotator.core.policy import Policy
from rotator.core.records import Decision, Reason, Token

URGENT = frozenset({Reason.MISSING, Reason.EXPIRED, Reason.REVOKED})
"""Nothing is left to lose: neither window nor freeze nor back-off holds these up."""


def due(seen: Observation, policy: Policy, now: datetime) -> Reason | None:
    """Return why a token has to be issued now, or None."""
    reason = cause(seen, policy, now)
    if reason is None or reason in URGENT or panics(seen, policy, now):
        return reason
    current, request = seen.current, pending(seen)
    if current and current.retry_at and now < current.retry_at and not asked_again(seen):
        return None
    return reason if seen.window.open or (request and request.leak) else None


def asked_again(seen: Observation) -> bool:
    """Whether somebody asked for a token after the last one failed: they want it tried now."""
    request = pending(seen)
    return request is not None and request.at > last_change(seen)


def last_change(seen: Observation) -> datetime:
    """Return when a token was last put back anywhere, or the current one issued, whichever is later."""
    issued = [seen.current.token.issued_at] if seen.current else []
    put_back = [t.record.restored_at for t in seen.targets if t.record and t.record.restored_at]
    return max(issued + put_back)


def cause(seen: Observation, policy: Policy, now: datetime) -> Reason | None:
    """Return why a token should be issued, before anything holds it back."""
    current = seen.current
    if current is None:
        return Reason.MISSING
    followed = in_force(seen)
    token = min(
        (t for t in followed if not due_before_current(t, seen, policy, now)), key=lambda t: t.expires_at
    )
    if any(seen.dead(t) for t in followed):
        return Reason.REVOKED
    if token.expires_at <= now:
        return Reason.EXPIRED
    if token.expires_at - policy.renew_before <= now:
        return Reason.NEARING_EXPIRY
    if pending(seen):
        return Reason.REQUESTED
    key = seen.key(token)
    if key in seen.condemned and key and key.other not in seen.condemned:
        return Reason.CONDEMNED
    return None


def pending(seen: Observation) -> Request | None:
    """Return the newest request that no issued token answers yet. Stamps are Lamport stamps:
    a request is later than the token it wants gone, a token no earlier than what it answers.
    """
    asked = [
        t.request
        for t in seen.targets
        if t.request and seen.current and t.request.at > seen.current.token.issued_at
    ]
    if not asked:
        return None
    newest = max(asked, key=lambda r: r.at)
    return Request(newest.at, any(r.leak for r in asked), newest.by)


def earliest(seen: Observation) -> Token:
    """Return the token that ends first among those that targets follow now."""
    return min(in_force(seen), key=lambda t: t.expires_at)


def in_force(seen: Observation) -> list[Token]:
    """Return the current token, and those adopted ones that are their targets' own until the next issue."""
    current = seen.current
    if current is None:
        raise ValueError("no target follows a decision")
    own = [
        d.token
        for t in seen.targets
        if t.record and (d := t.record.decision).revision == current.revision and d.token.adopted
    ]
    return [current.token, *own]


def due_before_current(token: Token, seen: Observation, policy: Policy, now: datetime) -> bool:
    """Whether a target's own token is due while the current one is not: the target gets that one, and no
    new one has to be issued.
    """
    if not seen.current or seen.current.token.adopted:
        return False
    return token.expires_at - policy.renew_before <= now < seen.current.token.expires_at - policy.renew_before


def is_behind(own: Decision, current: Decision) -> bool:
    """An adopted token is not older than a decision of the same revision: it waits its turn."""
    if own.token.adopted and own.revision == current.revision:
        return False
    return own.order < current.order


def targets_with_expiry(seen: Observation, expires_at: datetime) -> list[Target]:
    """Return the targets that a complaint about a token of this expiry is about.

    None: it is about a token that has been replaced, here or in the decision that is under way.
    """
    current = seen.current
    return [
        t
        for t in seen.targets
        if t.expires_at == expires_at and not (t.record and current and is_behind(t.record.decision, current))
    ]


def panics(seen: Observation, policy: Policy, now: datetime) -> bool:
    return seen.current is not None and earliest(seen).expires_at - policy.panic_before <= now


def renewal_time(seen: Observation, policy: Policy) -> datetime:
    return earliest(seen).expires_at - policy.renew_before


def usable(token: Token, seen: Observation, policy: Policy, now: datetime) -> bool:
    """Return whether token can still carry traffic for longer than panic_before."""
    return not seen.dead(token) and token.expires_at - policy.panic_before > now


def retry_time(failures: int, last_call: datetime, now: datetime) -> datetime:
    """Return when to try again: 30 min, 1 h, 2 h … one day, and never later than last_call."""
    wait = min(timedelta(minutes=30 << min(failures - 1, 6)), timedelta(days=1))
    return min(now + wait, max(last_call, now + timedelta(minutes=1)))
