"""Limits on doing the same thing again: conflicts with another writer, restarts per hour."""

from __future__ import annotations

from datetime import datetime, timedelta

from rotator.core.observation import Observation, Target, Workload
from rotator.core.policy import Policy
from rotator.core.renewal import nearly_expired
from rotator.core.situation import Situation

IMMEDIATE_RESTORES = 3
"""Number of restores of a gateway that do not wait; each further one waits longer."""
RESTORES_BEFORE_LONGEST_BACKOFF = 6
"""Number of restores of a gateway after which each further one waits for CONFLICT_BACKOFF."""
CONFLICT_BACKOFF = timedelta(days=1)
"""Time from the last restore to the next, once there were RESTORES_BEFORE_LONGEST_BACKOFF."""
MAX_CONFLICT_DELAY = timedelta(hours=1)
"""The longest delay of a new token after a restore, once the token in place expires within panic_before."""
RESTART_PERIOD = timedelta(hours=1)
"""The period over which a workload's restarts are counted against max_restarts_per_hour."""


def may_restore(situation: Situation) -> bool:
    """Whether what another writer changed may be restored now."""
    until = conflict_backoff_until(situation.observation)
    return until is None or situation.now >= until


def may_issue(situation: Situation) -> bool:
    """As may_restore; but once a token expires within panic_before, a conflict delays the next token by
    MAX_CONFLICT_DELAY at most.
    """
    restored_at = situation.observation.last_restored_at
    urgent = nearly_expired(situation)
    return may_restore(situation) or (
        urgent and restored_at is not None and situation.now >= restored_at + MAX_CONFLICT_DELAY
    )


def conflict_backoff_until(observation: Observation) -> datetime | None:
    """Return until when nothing is restored: 5, 10, 20 minutes after the last restore, then a day."""
    if observation.last_restored_at is None or observation.restores < IMMEDIATE_RESTORES:
        return None
    if observation.restores >= RESTORES_BEFORE_LONGEST_BACKOFF:
        return observation.last_restored_at + CONFLICT_BACKOFF
    return observation.last_restored_at + timedelta(minutes=5 << (observation.restores - IMMEDIATE_RESTORES))


def contested_targets(situation: Situation) -> list[Target]:
    """Return the targets that another writer changed and that are not restored for now."""
    if may_restore(situation):
        return []
    return [t for t in situation.observation.targets if t.drifted or any(reverted(t, w) for w in t.workloads)]


def reverted(target: Target, workload: Workload) -> bool:
    """Whether another writer removed the template token that the rotator wrote since the last change."""
    token = target.token
    if not token or workload.restarted_at is None or workload.template_token == token.template_token:
        return False
    return workload.restarted_at >= max(token.issued_at, target.restored_at or token.issued_at)


def may_restart(workload: Workload, policy: Policy, now: datetime) -> bool:
    """Whether max_restarts_per_hour allows one more restart of the workload."""
    return count_restart(workload, now)[0] <= policy.max_restarts_per_hour


def count_restart(workload: Workload, now: datetime) -> tuple[int, datetime]:
    """Return the count after one more restart, and since when it counts: the first one starts the hour."""
    since = workload.counted_since
    if since is None or not since <= now < since + RESTART_PERIOD:
        return 1, now
    return workload.restarts + 1, since


def leaves_leaked_token(target: Target, observation: Observation) -> bool:
    """Whether the target's previous token leaked: no window holds up its pods' terminating it."""
    return (
        target.previous_token is not None and observation.key(target.previous_token) in observation.condemned
    )


def names_leaked_token(target: Target, workload: Workload, observation: Observation) -> bool:
    """Whether the workload's template still names a leaked token: no budget holds up its restart."""
    return (
        leaves_leaked_token(target, observation)
        and target.previous_token is not None
        and workload.template_token == target.previous_token.template_token
    )
