"""How a rollout stands: under way, overdue, stuck; and whether restarts have to wait."""

from __future__ import annotations

from dataclasses import replace

from rotator.core.limits import leaves_leaked_token
from rotator.core.observation import Observation, Target, Workload
from rotator.core.situation import Situation
from rotator.core.verification import everything_runs, targets_to_verify


def is_rolling(target: Target) -> bool:
    """Whether the target's pods are between two tokens."""
    alone = Observation((replace(target, excluded_because=""),))
    return target.record is not None and bool(targets_to_verify(alone))


def under_way(situation: Situation) -> bool:
    """Whether some target's pods are on their way to its token and in time, or remain to be noted as
    verified.
    """
    return any(
        everything_runs(t) or not timed_out(t, situation) for t in targets_to_verify(situation.observation)
    )


def timed_out(target: Target, situation: Situation) -> bool:
    """Whether a rollout of the target failed, or has taken longer than rollout_timeout."""
    since = [*(w.restarted_at for w in target.workloads), target.restored_at]
    begun = max((at for at in since if at), default=situation.now)
    failed = any(w.failed for w in target.workloads)
    return failed or situation.now >= begun + situation.policy.rollout_timeout


def overdue(target: Target, situation: Situation) -> bool:
    """Whether a token that was never verified here failed. One that was verified is not the cause."""
    return target.record is not None and not target.verified_at and timed_out(target, situation)


def was_just_restarted(workload: Workload, situation: Situation) -> bool:
    """Whether a workload may be unhealthy only because the rotator restarted it within rollout_timeout."""
    timeout = situation.policy.rollout_timeout
    restarted_at = workload.restarted_at
    return restarted_at is not None and not workload.failed and situation.now < restarted_at + timeout


def stuck_workloads(target: Target, situation: Situation) -> list[Workload]:
    """Return the workloads that are to be restarted and that are unhealthy for another reason."""
    return [w for w in target.stale_workloads if not w.healthy and not was_just_restarted(w, situation)]


def restart_waits(target: Target, situation: Situation) -> bool:
    """Whether restarts wait for a window, or for unhealthy workloads. They never wait where the pods'
    previous token is no longer usable, nor after a roll-back.
    """
    previous = target.previous_token
    if previous is None or not situation.usable(previous):
        return False
    observation = situation.observation
    stuck = bool(stuck_workloads(target, situation))
    # A leaked token is not worth keeping: no window holds up the pods' terminating it.
    return stuck or not (observation.window.open or leaves_leaked_token(target, observation))
