"""When a token that the rotator did not write becomes its target's token."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from rotator.core.limits import may_restore
from rotator.core.observation import Target
from rotator.core.records import Decision, Token
from rotator.core.situation import Situation
from rotator.core.steps import Adopt, Step


def adopt(situation: Situation) -> Step | None:
    """Adopt a live token in a target without a record, or one that outlives the rotator's."""
    observation, current = situation.observation, situation.current
    revision = current.revision if current else 0
    for target in observation.workable:
        token = adoptable(target, situation)
        if token and (token.template_token is None or may_restore(situation)):
            return Adopt(target, Decision(revision, as_older_than(token, current), observation.condemned))
    return None


def adoptable(target: Target, situation: Situation) -> Token | None:
    """Return the live token in place, unless the rotator wrote it or the rotator's lasts as long."""
    signers = situation.observation.signers
    if target.fingerprint is None or target.expires_at is None or target.expires_at <= situation.now:
        return None
    if target.token and not (target.drifted and target.expires_at > target.token.expires_at):
        return None
    if target.fingerprint in signers and signers[target.fingerprint] is None:
        return None
    if target.record and target.fingerprint not in signers:
        return None
    named = any(w.template_token for w in target.workloads)
    key = signers.get(target.fingerprint)
    issued = target.token.issued_at if target.token else before_request(target, situation.now)
    template_token = target.fingerprint if named else None
    return Token(target.fingerprint, key, issued, target.expires_at, template_token, True)


def before_request(target: Target, now: datetime) -> datetime:
    """Return an issue time before the request: an event about a token may arrive before its adoption."""
    return min(now, target.request.at - timedelta(seconds=1)) if target.request else now


def as_older_than(token: Token, current: Decision | None) -> Token:
    """Return an adopted token as issued before the current one. It applies to its own target and never
    becomes the current decision.
    """
    if current is None or token.template_token is not None:
        return token
    return replace(token, issued_at=min(token.issued_at, current.token.issued_at - timedelta(seconds=1)))
