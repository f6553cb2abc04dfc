"""Decides what to do next: the first of CHECKS that returns a step.

Every step leaves a durable fact on a Secret or a workload, and the next step follows from these
facts. A crash between two steps costs time and nothing else.

The rule that keeps traffic flowing is `key_is_unused` in `verification.py`: a key is regenerated
only when every target answers and every pod is known to run a token of the other key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from rotator.core.adoption import adopt
from rotator.core.checks import issue, replace_pod, restart, roll_back, verify, write
from rotator.core.limits import conflict_backoff_until, contested_targets, may_issue
from rotator.core.records import Reason, Revocation, succeed
from rotator.core.renewal import cause, due, renewal_time
from rotator.core.revocation import revoke_condemned, revoke_previous
from rotator.core.rollout import restart_waits
from rotator.core.situation import Situation
from rotator.core.steps import Adopt, Rest, Step
from rotator.core.verification import resting

CHECKS: tuple[Callable[[Situation], Step | None], ...] = (
    adopt,  # A live token that the rotator did not write becomes its target's token.
    revoke_condemned,  # A key of which a token leaked is regenerated as soon as no pod needs it.
    issue,  # A token that is due is replaced by one of the other key.
    write,  # A target that lags gets the current token; a drifted one gets its token back.
    restart,  # A workload that names another token is restarted, few targets at a time.
    roll_back,  # Where pods do not come up with a token, the previous one returns.
    replace_pod,  # A pod that may run another token, or that blocks its rollout, is evicted.
    verify,  # A target whose pods all run its token is noted as verified; others are waited for.
    revoke_previous,  # With after-verify, the previous key is regenerated after revoke_after.
)


def next_step(situation: Situation) -> Step:
    """Return the step that brings the gateway closer to rest."""
    return next((step for check in CHECKS if (step := check(situation))), rest(situation))


def rest(situation: Situation) -> Rest:
    """Nothing to do before the earliest of renewal, retry, revocation, window, or another look."""
    observation, policy, now = situation.observation, situation.policy, situation.now
    unsettled = bool(observation.unreachable) or not all(resting(t) for t in observation.targets)
    first_look = now + (policy.recheck if unsettled or not situation.current else policy.look_every)
    later = [observation.window.turns_at, conflict_backoff_until(observation)]
    if current := situation.current:
        later += [renewal_time(observation, policy), current.retry_at]
        if policy.revoke is Revocation.AFTER_VERIFY:
            later += [t.verified_at + policy.revoke_after for t in observation.targets if t.verified_at]
    return Rest(min([first_look, *(at for at in later if at and at > now)]), rest_reason(situation))


def rest_reason(situation: Situation) -> Reason:
    observation = situation.observation
    if contested_targets(situation) or (due(situation) and not may_issue(situation)):
        return Reason.FIGHTING
    restless = [t for t in observation.targets if not resting(t)]
    if not observation.unreachable and not restless:
        if situation.current and situation.current.rolled_back:
            return Reason.ROLLED_BACK
        return Reason.HELD if cause(situation) else Reason.SETTLED
    closed = not observation.window.open and not observation.unreachable
    waiting = all(t.healthy and t.stale_workloads and restart_waits(t, situation) for t in restless)
    return Reason.HELD if closed and waiting else Reason.UNSETTLED


def after_adopting(situation: Situation) -> tuple[Step, Situation]:
    """Return the first step that is not Adopt, and the situation before it if nothing else changes."""
    step = next_step(situation)
    for _ in situation.observation.targets:
        if not isinstance(step, Adopt):
            break
        situation = adopted(step, situation)
        step = next_step(situation)
    return step, situation


def adopted(step: Adopt, situation: Situation) -> Situation:
    """Return the situation after step."""
    old, observation = step.target, situation.observation
    new = replace(old, record=succeed(old.record, step.decision, situation.now))
    targets = tuple(new if t is old else t for t in observation.targets)
    return replace(situation, observation=replace(observation, targets=targets))
