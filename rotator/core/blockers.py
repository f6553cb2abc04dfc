"""What should be done but waits, and for what."""

from __future__ import annotations

from rotator.core.limits import (
    RESTART_PERIOD,
    conflict_backoff_until,
    contested_targets,
    may_restart,
    may_restore,
    names_leaked_token,
)
from rotator.core.observation import Observation, Target
from rotator.core.records import Reason
from rotator.core.renewal import cause, due
from rotator.core.rollout import restart_waits, stuck_workloads
from rotator.core.situation import Situation

REMEDY = (
    "Tell the tool that owns it to leave it alone: secret.createSecret=false in the gateway's Helm chart, "
    "ignoreDifferences in Argo CD, or take the Secret out of what Flux applies"
)
"""How the operator ends a conflict with another writer."""


def blockers(situation: Situation) -> list[str]:
    """Return a sentence for each thing that waits. Never contains a token's value."""
    return [
        *conflicts(situation),
        *blocked_renewals(situation),
        *blocked_restarts(situation),
        *blocked_revocations(situation.observation),
    ]


def conflicts(situation: Situation) -> list[str]:
    observation = situation.observation
    if (until := conflict_backoff_until(observation)) is None:
        return []
    rest = (
        f"It was restored {observation.restores} times and is left as it is until {until:%Y-%m-%d %H:%M} UTC"
    )
    return [
        f"{t.name}: {t.writer or 'another writer'} keeps changing {what_changed(t)} back. {rest}. {REMEDY}"
        for t in contested_targets(situation)
    ]


def what_changed(target: Target) -> str:
    return "the token" if target.drifted else "the pod template"


def blocked_renewals(situation: Situation) -> list[str]:
    reason, current = cause(situation), situation.current
    if reason is None or current is None:
        return []
    if due(situation):
        if contested_targets(situation):
            return [f"a new token ({reason}) waits, too"]
        return renewals_in_conflict(situation, reason)
    if current.retry_at and situation.now < current.retry_at:
        times = "once" if current.failures == 1 else f"{current.failures} times"
        after = f"{current.retry_at:%Y-%m-%d %H:%M} UTC"
        return [
            f"the rollout failed {times} and was rolled back; a new token ({reason}) is tried after {after}"
        ]
    return [f"a new token ({reason}) waits: {situation.observation.window.why}"]


def renewals_in_conflict(situation: Situation, reason: Reason) -> list[str]:
    if may_restore(situation):
        return []
    until = f"{conflict_backoff_until(situation.observation):%Y-%m-%d %H:%M} UTC"
    times = situation.observation.restores
    why = f"another writer changed back what the rotator wrote, {times} times so far"
    return [f"a new token ({reason}) waits until {until}: {why}. {REMEDY}"]


def blocked_restarts(situation: Situation) -> list[str]:
    targets = situation.observation.targets
    return [f"{t.name}: {why}" for t in targets if (why := blocked_restart(t, situation))]


def blocked_restart(target: Target, situation: Situation) -> str:
    observation, policy, now = situation.observation, situation.policy, situation.now
    stale = target.stale_workloads
    if not stale or target.adopted:
        return ""
    spent = [
        w for w in stale if not may_restart(w, policy, now) and not names_leaked_token(target, w, observation)
    ]
    if spent:
        first = spent[0]
        until = (first.counted_since or now) + RESTART_PERIOD
        return (
            f"{first.name} was restarted {first.restarts} times within an hour "
            f"and is not restarted before {until:%H:%M} UTC; a larger max_restarts_per_hour allows it at once"
        )
    if not restart_waits(target, situation):
        return ""
    if stuck := stuck_workloads(target, situation):
        why = stuck[0].note or "not every pod works"
        return f"{stuck[0].name} is not restarted while it is unhealthy ({why})"
    return f"restarts wait: {observation.window.why}" if observation.window.why else ""


def blocked_revocations(observation: Observation) -> list[str]:
    return [
        f"a token of the {key} key leaked: the key is regenerated once every pod is proven to run a token "
        "of the other key"
        for key in sorted(observation.condemned)
    ]
