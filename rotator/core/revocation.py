"""When a key is ended: after a leak, or when the token before has had its time."""

from __future__ import annotations

from datetime import datetime

from rotator.core.observation import Observation
from rotator.core.policy import Policy
from rotator.core.records import Key, Revocation
from rotator.core.renewal import due
from rotator.core.steps import Revoke, Step
from rotator.core.verification import key_is_unused


def revoke_condemned(seen: Observation, policy: Policy, now: datetime) -> Step | None:
    """A leaked key is regenerated as soon as nobody needs it."""
    if not policy.regenerate_keys:
        return None
    return next((Revoke(k) for k in sorted(seen.condemned) if key_is_unused(seen, k)), None)


def exposed(seen: Observation, now: datetime) -> frozenset[Key | None]:
    """Return the keys of all live tokens that a target holds, or that its pods may still run; None among
    them stands for a key that nobody can tell.
    """
    tokens = [t.record.decision.token for t in seen.targets if t.record]
    tokens += [
        t.record.previous.token
        for t in seen.targets
        if t.record and t.record.previous and not t.record.verified
    ]
    return frozenset(seen.key(t) for t in tokens if t.expires_at > now and not seen.dead(t))


def revoke_previous(seen: Observation, policy: Policy, now: datetime) -> Step | None:
    """after-verify: the previous key ends when the new token has stood the test of time."""
    if policy.revoke is not Revocation.AFTER_VERIFY or not policy.regenerate_keys:
        return None
    for t in seen.targets:
        previous = t.record.previous if t.record else None
        key = seen.key(previous.token) if previous else None
        if not previous or not key or seen.dead(previous.token) or previous.token.expires_at <= now:
            continue
        if key_is_unused(seen, key) and proven_long_enough(seen, policy, now):
            return Revoke(key)
    return None


def needs_proof(seen: Observation, policy: Policy, now: datetime) -> bool:
    """Whether a key may have to be regenerated, so that it has to be known who signs the tokens in place."""
    match policy.revoke:
        case Revocation.BEFORE_REUSE:
            wanted = due(seen, policy, now) is not None
        case Revocation.AFTER_VERIFY:
            wanted = proven_long_enough(seen, policy, now)
        case Revocation.NEVER:
            wanted = False
    return wanted or bool(seen.condemned)


def proven_long_enough(seen: Observation, policy: Policy, now: datetime) -> bool:
    """Whether every target has run the current token for revoke_after."""
    since = [t.record.verified_at if t.record else None for t in seen.targets]
    return all(at is not None and at + policy.revoke_after <= now for at in since)
