"""When a key is regenerated: after a leak, or once the previous token has been replaced for long enough."""

from __future__ import annotations

from rotator.core.records import Key, Revocation
from rotator.core.renewal import due
from rotator.core.situation import Situation
from rotator.core.steps import Revoke, Step
from rotator.core.verification import key_is_unused


def revoke_condemned(situation: Situation) -> Step | None:
    """Regenerate a key of which a token leaked, as soon as no pod needs it."""
    if not situation.policy.regenerate_keys:
        return None
    observation = situation.observation
    return next((Revoke(k) for k in sorted(observation.condemned) if key_is_unused(observation, k)), None)


def exposed(situation: Situation) -> frozenset[Key | None]:
    """Return the keys of all live tokens that a target holds, or that its pods may still run. None among
    them stands for a key that is not known.
    """
    observation = situation.observation
    tokens = [t.token for t in observation.targets if t.token]
    tokens += [
        t.previous_token
        for t in observation.targets
        if t.record and t.previous_token and not t.record.verified
    ]
    return frozenset(
        observation.key(t) for t in tokens if t.expires_at > situation.now and not observation.dead(t)
    )


def revoke_previous(situation: Situation) -> Step | None:
    """With after-verify, regenerate the previous key once every pod has run the new token long enough."""
    observation, policy = situation.observation, situation.policy
    if policy.revoke is not Revocation.AFTER_VERIFY or not policy.regenerate_keys:
        return None
    for target in observation.targets:
        previous = target.previous_token
        key = observation.key(previous) if previous else None
        if not previous or not key or observation.dead(previous) or previous.expires_at <= situation.now:
            continue
        if key_is_unused(observation, key) and proven_long_enough(situation):
            return Revoke(key)
    return None


def needs_proof(situation: Situation) -> bool:
    """Whether a key may have to be regenerated next, so that Azure has to say who signs the tokens."""
    match situation.policy.revoke:
        case Revocation.BEFORE_REUSE:
            wanted = due(situation) is not None
        case Revocation.AFTER_VERIFY:
            wanted = proven_long_enough(situation)
        case Revocation.NEVER:
            wanted = False
    return wanted or bool(situation.observation.condemned)


def proven_long_enough(situation: Situation) -> bool:
    """Whether every target has run the current token for revoke_after."""
    since = [t.verified_at for t in situation.observation.targets]
    return all(at is not None and at + situation.policy.revoke_after <= situation.now for at in since)
