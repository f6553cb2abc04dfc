"""What to do next, given what was seen. Read `CHECKS` as the table of contents.

Every step leaves one lasting fact behind, on a Secret or on a workload, so the next step can
always be worked out from what is there: a crash loses nothing but time.

The rule that keeps traffic flowing: a key is regenerated only when every target answers, holds
the current token, signed with the *other* key, and every pod is known to run it (`settled`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from rotator.core.limits import (
    conflict_backoff_until,
    contested_targets,
    flees_now,
    may_issue,
    may_restart,
    may_restore,
    reverted,
)
from rotator.core.observation import Observation, Target, Workload
from rotator.core.policy import Policy
from rotator.core.records import Decision, Key, Reason, Revocation, Token, succeed
from rotator.core.renewal import (
    cause,
    due,
    due_before_current,
    is_behind,
    pending,
    renewal_time,
    retry_time,
    usable,
)
from rotator.core.revocation import exposed, revoke_condemned, revoke_previous
from rotator.core.steps import (
    Adopt,
    Await,
    Issue,
    Replace,
    Rest,
    Restart,
    RollBack,
    Step,
    Verify,
    Write,
)
from rotator.core.verification import (
    adoptable,
    broken_pods,
    came_up,
    current_targets,
    everything_runs,
    key_is_unused,
    overdue,
    overtime,
    resting,
    restored_targets,
    rolling,
    strangers_pods,
    under_way,
    waits,
)


def next_step(seen: Observation, policy: Policy, now: datetime) -> Step:
    """Return the one step that brings the gateway closer to rest."""
    return next((s for check in CHECKS if (s := check(seen, policy, now))), rest(seen, policy, now))


def after_adopting(seen: Observation, policy: Policy, now: datetime) -> tuple[Step, Observation]:
    """Return the first step that is no Adopt, and what would be seen before it, if nothing else changed."""
    step = next_step(seen, policy, now)
    for _ in seen.targets:
        if not isinstance(step, Adopt):
            break
        adopted = replace(step.target, record=succeed(step.target.record, step.decision, now))
        seen = replace(seen, targets=tuple(adopted if t is step.target else t for t in seen.targets))
        step = next_step(seen, policy, now)
    return step, seen


def adopt(seen: Observation, policy: Policy, now: datetime) -> Step | None:
    """A live token that is not ours, or outlives ours, becomes the target's own."""
    revision = seen.current.revision if seen.current else 0
    for t in seen.workable:
        if (token := adoptable(t, seen, now)) and (token.template_token is None or may_restore(seen, now)):
            return Adopt(t, Decision(revision, as_older_than(token, seen.current), seen.condemned))
    return None


def as_older_than(token: Token, current: Decision | None) -> Token:
    """Return an adopted token as older than the current one: it is its target's own, and leads no other."""
    if current is None or token.template_token is not None:
        return token
    return replace(token, issued_at=min(token.issued_at, current.token.issued_at - timedelta(seconds=1)))


def issue(seen: Observation, policy: Policy, now: datetime) -> Step | None:
    """A token that is due is replaced by one of the standby key."""
    reason = due(seen, policy, now)
    if not reason or not seen.workable or not may_issue(seen, policy, now):
        return None
    if reason is Reason.REQUESTED and not leaked(seen) and under_way(seen, policy, now):
        return None  # one rollout after the other: the request stands until this one is proven
    target = seen.workable[0]
    if not (current := seen.current):
        first = standby_key(Key.SECONDARY, seen.condemned)
        return Issue(target, first, False, None, seen.condemned, reason, None)
    key, request = seen.key(current.token), pending(seen)
    condemned = seen.condemned | ({k for k in exposed(seen, now) if k} if leaked(seen) else set())
    standby = standby_key(key, condemned | policy.avoid)
    fresh = (
        policy.regenerate_keys and policy.revoke is Revocation.BEFORE_REUSE and key_is_unused(seen, standby)
    )
    condemned -= {standby} if fresh else set()
    return Issue(target, standby, fresh, current, condemned, reason, request.at if request else None)


def leaked(seen: Observation) -> bool:
    request = pending(seen)
    return request is not None and request.leak


def standby_key(key: Key | None, condemned: frozenset[Key]) -> Key:
    """The other key; the same one again while the other waits to be regenerated."""
    if key is None:
        return Key.PRIMARY
    return key if key.other in condemned and key not in condemned else key.other


def write(seen: Observation, policy: Policy, now: datetime) -> Step | None:
    """A target that lags behind gets the current token; a drifted one gets its own back."""
    current = seen.current
    drifted = []
    for t in seen.workable:
        if current and not t.record:
            return Write(t, marked(current))
        if (
            current
            and t.record
            and (
                is_behind(t.record.decision, current)
                or due_before_current(t.record.decision.token, seen, policy, now)
            )
        ):
            return Write(t, current)
        if t.record and t.drifted:
            # Who was mended longest ago comes first: a fight over one Secret starves no other.
            since = t.record.restored_at or t.record.decision.token.issued_at
            drifted.append((since, Write(t, t.record.decision, restore=True)))
    if not drifted or not may_restore(seen, now):
        return None
    return min(drifted, key=lambda d: d[0])[1]


def marked(current: Decision) -> Decision:
    """Return the decision as a target gets it whose pods run nobody knows what: they are to be restarted
    even if the token was adopted, and its own pods are not.
    """
    return replace(current, token=replace(current.token, template_token=current.token.fingerprint))


def restart(seen: Observation, policy: Policy, now: datetime) -> Step | None:
    """A workload that names another token follows, few targets at a time."""
    away = [t for t in seen.targets if rolling(t)]
    for t in seen.workable:
        stale = [w for w in outdated(t) if may_restart(w, policy, now) or flees_now(t, w, seen)]
        stale = [w for w in stale if not reverted(t, w) or may_restore(seen, now)]
        if not stale or t.drifted or waits(t, seen, policy, now):
            continue
        if len(away) < policy.max_unavailable_targets or not usable_previous(t, seen, policy, now):
            return Restart(t, stale[0], t.record.decision.token.template_token)  # type: ignore[union-attr]
    return None


def outdated(t: Target) -> list[Workload]:
    """Workloads whose pod template does not name the token that the target's record is about."""
    return [w for w in t.workloads if t.record and w.template_token != t.record.decision.token.template_token]


def usable_previous(t: Target, seen: Observation, policy: Policy, now: datetime) -> bool:
    previous = t.record.previous if t.record else None
    return previous is not None and usable(previous.token, seen, policy, now)


def roll_back(seen: Observation, policy: Policy, now: datetime) -> Step | None:
    """A token that pods do not come up with gives way to the one before, if that is still good."""
    if not policy.roll_back:
        return None
    for t in current_targets(seen):
        r = t.record
        if not r or not r.previous or came_up(t):
            continue
        if overdue(t, policy, now) and usable(r.previous.token, seen, policy, now):
            now_current, back = r.decision, r.previous.token
            failures = now_current.failures + 1
            return RollBack(
                t,
                Decision(
                    now_current.revision + 1,
                    back,
                    seen.condemned,
                    failures,
                    retry_time(failures, back.expires_at - policy.panic_before, now),
                ),
            )
    return None


def wait_or_prove(seen: Observation, policy: Policy, now: datetime) -> Step | None:
    """Every pod of a target is known to run the token, or is on its way there."""
    for t in seen.workable:  # also those of an adopted token, to which a target may have been rolled back
        if policy.replace_pods and not t.drifted and (pods := broken_pods(t, now) or strangers_pods(t, now)):
            return Replace(t, pods[0])
    waiting = []
    for t in [*current_targets(seen), *restored_targets(seen)]:
        if everything_runs(t):
            return Verify(t)
        if not overtime(t, policy, now):
            waiting.append(t.name)
    return Await(tuple(waiting)) if waiting else None


def rest(seen: Observation, policy: Policy, now: datetime) -> Rest:
    """Nothing to do before the earliest of renewal, retry, revocation, or another look."""
    unsettled = bool(seen.unreachable) or not all(resting(t) for t in seen.targets)
    until = [now + (policy.recheck if unsettled or not seen.current else policy.look_every)]
    until += [t for t in (seen.window.turns_at, conflict_backoff_until(seen)) if t and t > now]
    if current := seen.current:
        until += [t for t in (renewal_time(seen, policy), current.retry_at) if t and t > now]
        if policy.revoke is Revocation.AFTER_VERIFY:
            until += [
                t
                for x in seen.targets
                if x.record
                and x.record.verified_at
                and (t := x.record.verified_at + policy.revoke_after) > now
            ]
    return Rest(min(until), rest_reason(seen, policy, now))


def rest_reason(seen: Observation, policy: Policy, now: datetime) -> Reason:
    if contested_targets(seen, now) or (due(seen, policy, now) and not may_issue(seen, policy, now)):
        return Reason.FIGHTING
    restless = [t for t in seen.targets if not resting(t)]
    if not seen.unreachable and not restless:
        if seen.current and seen.current.rolled_back:
            return Reason.ROLLED_BACK
        return Reason.HELD if cause(seen, policy, now) else Reason.SETTLED
    patient = all(outdated(t) and waits(t, seen, policy, now) for t in restless)
    closed = not seen.window.open and not seen.unreachable
    return (
        Reason.HELD
        if closed and patient and all(w.healthy for t in restless for w in t.workloads)
        else Reason.UNSETTLED
    )


CHECKS: tuple[Callable[[Observation, Policy, datetime], Step | None], ...] = (
    adopt,
    revoke_condemned,
    issue,
    write,
    restart,
    roll_back,
    wait_or_prove,
    revoke_previous,
)
