"""What should be done but waits, and for what: so that nobody has to guess why nothing happens."""

from __future__ import annotations

from datetime import datetime

from rotator.core.limits import (
    BUDGET_PERIOD,
    conflict_backoff_until,
    contested_targets,
    flees_now,
    may_restart,
    may_restore,
)
from rotator.core.observation import Observation, Target
from rotator.core.policy import Policy
from rotator.core.records import Reason
from rotator.core.renewal import cause, due
from rotator.core.verification import moving, waits

REMEDY = (
    "Tell the tool that owns it to leave it alone: secret.createSecret=false in the gateway's Helm chart, "
    "ignoreDifferences in Argo CD, or take the Secret out of what Flux applies"
)


def held(seen: Observation, policy: Policy, now: datetime) -> list[str]:
    """Return a sentence for each thing that is put off. Never contains a token's value."""
    return [
        *fights(seen, now),
        *renewals(seen, policy, now),
        *restarts(seen, policy, now),
        *revocations(seen),
    ]


def fights(seen: Observation, now: datetime) -> list[str]:
    if (until := conflict_backoff_until(seen)) is None:
        return []
    rest = f"It was mended {seen.restores} times and is now left as it is until {until:%Y-%m-%d %H:%M} UTC"
    return [
        f"{t.name}: {t.writer or 'somebody'} keeps changing {what(t)} back. {rest}. {REMEDY}"
        for t in contested_targets(seen, now)
    ]


def what(t: Target) -> str:
    return "the token" if t.drifted else "the pod template"


def renewals(seen: Observation, policy: Policy, now: datetime) -> list[str]:
    reason, current = cause(seen, policy, now), seen.current
    if reason is None or current is None:
        return []
    if due(seen, policy, now):
        return (
            [f"a new token ({reason}) waits, too"]
            if contested_targets(seen, now)
            else beaten(seen, reason, now)
        )
    if current.retry_at and now < current.retry_at:
        times = "once" if current.failures == 1 else f"{current.failures} times"
        after = f"{current.retry_at:%Y-%m-%d %H:%M} UTC"
        return [f"the rollout failed {times} and was put back; a new token ({reason}) is tried after {after}"]
    return [f"a new token ({reason}) waits: {seen.window.why}"]


def revocations(seen: Observation) -> list[str]:
    return [
        f"a token of the {key} key leaked: the key is regenerated once every pod is proven to run a token "
        "of the other one"
        for key in sorted(seen.condemned)
    ]


def beaten(seen: Observation, reason: Reason, now: datetime) -> list[str]:
    if may_restore(seen, now):
        return []
    until = f"{conflict_backoff_until(seen):%Y-%m-%d %H:%M} UTC"
    why = f"somebody kept changing back what was written, {seen.restores} times so far"
    return [f"a new token ({reason}) waits until {until}: {why}. {REMEDY}"]


def restarts(seen: Observation, policy: Policy, now: datetime) -> list[str]:
    return [f"{t.name}: {why}" for t in seen.targets if (why := restart(t, seen, policy, now))]


def restart(t: Target, seen: Observation, policy: Policy, now: datetime) -> str:
    stale = [
        w for w in t.workloads if t.record and w.template_token != t.record.decision.token.template_token
    ]
    if not stale or (t.record and t.record.decision.token.template_token is None):
        return ""
    if spent := [w for w in stale if not may_restart(w, policy, now) and not flees_now(t, w, seen)]:
        first = spent[0]
        until = (first.counted_since or now) + BUDGET_PERIOD
        return (
            f"{first.name} was restarted {first.restarts} times within an hour "
            f"and rests until {until:%H:%M} UTC; a larger max_restarts_per_hour lets it go on at once"
        )
    if not waits(t, seen, policy, now):
        return ""
    if sick := [w for w in stale if not w.healthy and not moving(w, policy, now)]:
        return f"{sick[0].name} is not restarted while it is sick ({sick[0].note or 'not every pod works'})"
    return f"restarts wait: {seen.window.why}" if seen.window.why else ""
