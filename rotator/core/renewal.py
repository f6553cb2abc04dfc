"""When a token has to be replaced, and why."""

from __future__ import annotations

from datetime import datetime, timedelta

from rotator.core.observation import Observation, Request, Target
from rotator.core.policy import Policy
from rotator.core.records import Decision, Reason, Token
from rotator.core.situation import Situation

URGENT = frozenset({Reason.MISSING, Reason.EXPIRED, Reason.REVOKED})
"""The token in place does not work: neither window, freeze nor back-off delays a new one."""
FIRST_RETRY_MINUTES = 30
"""The wait after the first failed rollout, in minutes; it doubles with each further one."""
MAX_RETRY = timedelta(days=1)
"""The longest wait after a failed rollout."""
MIN_RETRY = timedelta(minutes=1)
"""The shortest wait after a failed rollout, even where the token in place is about to expire."""


def due(situation: Situation) -> Reason | None:
    """Return why a token has to be issued now, or None."""
    observation, current = situation.observation, situation.current
    reason = cause(situation)
    if reason is None or reason in URGENT or nearly_expired(situation):
        return reason
    retry_at = current.retry_at if current else None
    if retry_at and situation.now < retry_at and not asked_again(observation):
        return None
    return reason if observation.window.open or leaked(observation) else None


def cause(situation: Situation) -> Reason | None:
    """Return why a token should be issued, whether or not something delays it."""
    observation, current, now = situation.observation, situation.current, situation.now
    if current is None:
        return Reason.MISSING
    followed = in_force(observation)
    token = min((t for t in followed if not due_before_current(t, situation)), key=lambda t: t.expires_at)
    if any(observation.dead(t) for t in followed):
        return Reason.REVOKED
    if token.expires_at <= now:
        return Reason.EXPIRED
    if situation.near_expiry(token):
        return Reason.NEARING_EXPIRY
    if pending(observation):
        return Reason.REQUESTED
    key = observation.key(token)
    if key in observation.condemned and key and key.other not in observation.condemned:
        return Reason.CONDEMNED
    return None


def pending(observation: Observation) -> Request | None:
    """Return the newest request that no issued token answers yet. Times of requests and tokens are Lamport
    stamps: a request is later than the token it wants replaced, a token no earlier than the request it
    answers.
    """
    current = observation.current
    requests = [
        t.request
        for t in observation.targets
        if t.request and current and t.request.at > current.token.issued_at
    ]
    if not requests:
        return None
    newest = max(requests, key=lambda r: r.at)
    return Request(newest.at, any(r.leak for r in requests), newest.by)


def leaked(observation: Observation) -> bool:
    """Whether a request that is not answered yet reports a leak."""
    request = pending(observation)
    return request is not None and request.leak


def asked_again(observation: Observation) -> bool:
    """Whether a token was requested after the last one failed: then the back-off does not delay it."""
    request = pending(observation)
    return request is not None and request.at > last_change(observation)


def last_change(observation: Observation) -> datetime:
    """Return when a token was last restored anywhere, or the current one issued, whichever is later."""
    issued = [observation.current.token.issued_at] if observation.current else []
    return max(issued + [t.restored_at for t in observation.targets if t.restored_at])


def earliest(observation: Observation) -> Token:
    """Return the token that expires first among those that targets follow now."""
    return min(in_force(observation), key=lambda t: t.expires_at)


def in_force(observation: Observation) -> list[Token]:
    """Return the current token, and the adopted tokens that targets keep until the next issue."""
    current = observation.current
    if current is None:
        raise ValueError("no target follows a decision")
    own = [
        d.token
        for t in observation.targets
        if t.record and (d := t.record.decision).revision == current.revision and d.token.adopted
    ]
    return [current.token, *own]


def due_before_current(token: Token, situation: Situation) -> bool:
    """Whether a target's own token is due while the current one is not: the target gets the current one, and
    no new one has to be issued.
    """
    current = situation.current
    if not current or current.token.adopted:
        return False
    return situation.near_expiry(token) and not situation.near_expiry(current.token)


def is_behind(own: Decision, current: Decision) -> bool:
    """Whether a target has to be brought to the current decision. An adopted token of the same revision is
    kept until the next issue.
    """
    if own.token.adopted and own.revision == current.revision:
        return False
    return own.order < current.order


def targets_with_expiry(observation: Observation, expires_at: datetime) -> list[Target]:
    """Return the targets that an event about a token of this expiry is about.

    None: the token has been replaced, here or by the decision that is being carried out.
    """
    current = observation.current
    return [
        t
        for t in observation.targets
        if t.expires_at == expires_at and not (t.record and current and is_behind(t.record.decision, current))
    ]


def nearly_expired(situation: Situation) -> bool:
    """Whether the token that expires first does so within panic_before."""
    if situation.current is None:
        return False
    return earliest(situation.observation).expires_at - situation.policy.panic_before <= situation.now


def renewal_time(observation: Observation, policy: Policy) -> datetime:
    """Return when the token that expires first is due."""
    return earliest(observation).expires_at - policy.renew_before


def retry_time(failures: int, last_call: datetime, now: datetime) -> datetime:
    """Return when to try again: after 30 min, 1 h, 2 h … one day, and no later than last_call."""
    wait = min(timedelta(minutes=FIRST_RETRY_MINUTES << min(failures - 1, 6)), MAX_RETRY)
    return min(now + wait, max(last_call, now + MIN_RETRY))
