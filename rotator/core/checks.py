"""The checks of the plan that do not have a module of their own, in the order of `CHECKS`.

`adopt` is in `adoption.py`; `revoke_condemned` and `revoke_previous` are in `revocation.py`.
"""

from __future__ import annotations

from dataclasses import replace

from rotator.core.limits import may_issue, may_restart, may_restore, names_leaked_token, reverted
from rotator.core.observation import Target
from rotator.core.records import Decision, Key, Reason, Revocation, Token
from rotator.core.renewal import due, due_before_current, is_behind, leaked, pending, retry_time
from rotator.core.revocation import exposed
from rotator.core.rollout import is_rolling, overdue, restart_waits, timed_out, under_way
from rotator.core.situation import Situation
from rotator.core.steps import Await, Issue, Replace, Restart, RollBack, Step, Verify, Write
from rotator.core.verification import (
    blocking_pods,
    came_up,
    everything_runs,
    key_is_unused,
    restored_targets,
    suspect_pods,
    targets_to_verify,
)


def issue(situation: Situation) -> Step | None:
    """Issue a token on the standby key if one is due."""
    observation, policy, current = situation.observation, situation.policy, situation.current
    reason = due(situation)
    if not reason or not observation.workable or not may_issue(situation):
        return None
    if reason is Reason.REQUESTED and not leaked(observation) and under_way(situation):
        return None  # One rollout after the other: the request waits until this one is proven.
    target = observation.workable[0]
    if not current:
        first = standby_key(Key.SECONDARY, observation.condemned)
        return Issue(target, first, False, None, observation.condemned, reason, None)
    key, request = observation.key(current.token), pending(observation)
    condemned = observation.condemned | (
        {k for k in exposed(situation) if k} if leaked(observation) else set()
    )
    standby = standby_key(key, condemned | policy.avoid)
    fresh = (
        policy.regenerate_keys
        and policy.revoke is Revocation.BEFORE_REUSE
        and key_is_unused(observation, standby)
    )
    condemned -= {standby} if fresh else set()
    return Issue(target, standby, fresh, current, condemned, reason, request.at if request else None)


def standby_key(key: Key | None, condemned: frozenset[Key]) -> Key:
    """Return the other key, or key itself while the other is to be regenerated."""
    if key is None:
        return Key.PRIMARY
    return key if key.other in condemned and key not in condemned else key.other


def write(situation: Situation) -> Step | None:
    """Write the current token to a target that lags, or restore the token of a drifted target."""
    current = situation.current
    drifted = []
    for target in situation.observation.workable:
        if current and not target.record:
            return Write(target, requiring_restart(current))
        if current and target.record and lags(target.record.decision, current, situation):
            return Write(target, current)
        if target.record and target.drifted:
            # The target restored longest ago comes first: a conflict over one Secret holds up no other.
            since = target.record.restored_at or target.record.decision.token.issued_at
            drifted.append((since, Write(target, target.record.decision, restore=True)))
    if not drifted or not may_restore(situation):
        return None
    return min(drifted, key=lambda d: d[0])[1]


def lags(own: Decision, current: Decision, situation: Situation) -> bool:
    return is_behind(own, current) or due_before_current(own.token, situation)


def requiring_restart(current: Decision) -> Decision:
    """Return the decision for a target whose pods may run any token. Its template token forces a restart,
    even if the current token was adopted.
    """
    return replace(current, token=replace(current.token, template_token=current.token.fingerprint))


def restart(situation: Situation) -> Step | None:
    """Restart a workload that names another token, in at most max_unavailable_targets at a time."""
    observation, policy, now = situation.observation, situation.policy, situation.now
    rolling = [t for t in observation.targets if is_rolling(t)]
    for target in observation.workable:
        stale = [
            w
            for w in target.stale_workloads
            if may_restart(w, policy, now) or names_leaked_token(target, w, observation)
        ]
        stale = [w for w in stale if not reverted(target, w) or may_restore(situation)]
        if not target.token or not stale or target.drifted or restart_waits(target, situation):
            continue
        if len(rolling) < policy.max_unavailable_targets or not usable_previous(target, situation):
            return Restart(target, stale[0], target.token.template_token)
    return None


def usable_previous(target: Target, situation: Situation) -> bool:
    """Whether the target's pods can go on with their previous token."""
    return target.previous_token is not None and situation.usable(target.previous_token)


def roll_back(situation: Situation) -> Step | None:
    """Return to the previous token where pods do not come up with the new one."""
    if not situation.policy.roll_back:
        return None
    for target in targets_to_verify(situation.observation):
        failed, back = target.record, target.previous_token
        if not failed or not back or came_up(target):
            continue
        if overdue(target, situation) and situation.usable(back):
            return RollBack(target, returning_to(back, failed.decision, situation))
    return None


def returning_to(back: Token, failed: Decision, situation: Situation) -> Decision:
    """Return the decision that puts token back, and when a new token is tried again."""
    failures = failed.failures + 1
    last_call = back.expires_at - situation.policy.panic_before
    retry_at = retry_time(failures, last_call, situation.now)
    return Decision(failed.revision + 1, back, situation.observation.condemned, failures, retry_at)


def replace_pod(situation: Situation) -> Step | None:
    """Evict a pod that blocks its rollout, or that may run another token than its template names."""
    now = situation.now
    for target in situation.observation.workable:  # also where the token was adopted
        if situation.policy.replace_pods and not target.drifted:
            pods = blocking_pods(target, now) or suspect_pods(target, now)
            if pods:
                return Replace(target, pods[0])
    return None


def verify(situation: Situation) -> Step | None:
    """Note that every pod of a target runs its token, or wait for the pods that are on their way."""
    observation = situation.observation
    waiting = []
    for target in [*targets_to_verify(observation), *restored_targets(observation)]:
        if everything_runs(target):
            return Verify(target)
        if not timed_out(target, situation):
            waiting.append(target.name)
    return Await(tuple(waiting)) if waiting else None
