"""What keeps us from doing the same thing over and over: fights with other tools, restart storms."""

from __future__ import annotations

from datetime import datetime, timedelta

from rotator.core.observation import Observation, Target, Workload
from rotator.core.policy import Policy
from rotator.core.renewal import panics

IMMEDIATE_RESTORES = 3
"""So often what somebody else changed is put back at once."""
RESTORES_BEFORE_CONFLICT = 6
"""From so many repairs on it is a fight: the other side has to be told, not overruled."""
BREAK = timedelta(days=1)
BUDGET_PERIOD = timedelta(hours=1)


def may_restore(seen: Observation, now: datetime) -> bool:
    """A fight with a GitOps tool slows down, and then stops but for one try a day."""
    return (until := conflict_backoff_until(seen)) is None or now >= until


def may_issue(seen: Observation, policy: Policy, now: datetime) -> bool:
    """As may_repair; but once a token panics, no fight holds up its successor for more than an hour."""
    urgent = panics(seen, policy, now) and seen.last_restored_at is not None
    return may_restore(seen, now) or (urgent and now >= (seen.last_restored_at or now) + BUDGET_PERIOD)


def conflict_backoff_until(seen: Observation) -> datetime | None:
    """Return until when what somebody else keeps changing is left alone: 5, 10, 20 minutes; then a day."""
    if seen.last_restored_at is None or seen.restores < IMMEDIATE_RESTORES:
        return None
    if seen.restores >= RESTORES_BEFORE_CONFLICT:
        return seen.last_restored_at + BREAK
    return seen.last_restored_at + timedelta(minutes=5 << (seen.restores - IMMEDIATE_RESTORES))


def reverted(t: Target, w: Workload) -> bool:
    """Whether another writer removed the template token that we wrote since the last change."""
    r = t.record
    if not r or w.restarted_at is None or w.template_token == r.decision.token.template_token:
        return False
    return w.restarted_at >= max(r.decision.token.issued_at, r.restored_at or r.decision.token.issued_at)


def may_restart(w: Workload, policy: Policy, now: datetime) -> bool:
    """Whether the workload's restarts of this hour leave room for one more."""
    return count_restart(w, now)[0] <= policy.max_restarts_per_hour


def leaves_leaked_token(t: Target, seen: Observation) -> bool:
    """Whether its pods leave a leaked token: no budget holds that up."""
    previous = t.record.previous if t.record else None
    return previous is not None and seen.key(previous.token) in seen.condemned


def count_restart(w: Workload, now: datetime) -> tuple[int, datetime]:
    """Return the count after one more restart, and since when it counts: the first begins an hour."""
    if w.counted_since is None or not w.counted_since <= now < w.counted_since + BUDGET_PERIOD:
        return 1, now
    return w.restarts + 1, w.counted_since


def flees_now(t: Target, w: Workload, seen: Observation) -> bool:
    """Whether the workload's template still names a leaked token: no budget holds up its leaving that."""
    return (
        leaves_leaked_token(t, seen)
        and t.record is not None
        and t.record.previous is not None
        and (w.template_token == t.record.previous.token.template_token)
    )


def contested_targets(seen: Observation, now: datetime) -> list[Target]:
    """Return the targets that somebody else changed and that are left as they are for now."""
    if may_restore(seen, now):
        return []
    return [t for t in seen.targets if t.drifted or any(reverted(t, w) for w in t.workloads)]
