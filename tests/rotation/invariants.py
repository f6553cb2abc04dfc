"""What must be true of a fleet, whatever happens: the invariants, as far as a model can tell.

I1 (no token dies while a Secret or a pod holds it, none is written that we revoked) is asserted by the
model at every call. See tests/actor.py.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from rotator.core.plan import next_step
from rotator.core.records import Reason, Revocation
from rotator.core.renewal import renewal_time
from rotator.core.situation import Situation
from rotator.core.steps import Issue, Rest
from rotator.rotation import observe, rotate
from tests.rotation.model_fleet import DAY, HOUR, ModelFleet
from tests.world import Target, World, drive

MANY_RESTARTS = 12
"""Two full budgets may touch: the end of one hour and the beginning of the next."""
MAX_RESTORES_A_DAY = 8
"""Six until the breaker, one after a day, one for clocks that differ."""


def hold(fleet: ModelFleet) -> None:
    """Assert what holds at every moment."""
    for number, world in enumerate(fleet.worlds):
        assert world.effects_without_lease == [], (
            f"I6: effects without the lease: {world.effects_without_lease}"
        )
        few_restarts(world)
        most = most_within(world.restore_times, DAY)
        assert most <= MAX_RESTORES_A_DAY, f"{most} restores within a day"
        one_rotation_per_request(world)
        if fleet.gateways[number].policy.revoke is Revocation.NEVER and number not in fleet.faults.leaks:
            assert not world.revoked, f"regenerated for nothing: {world.revoked}"


def few_restarts(world: World) -> None:
    for name in {name for name, _ in world.restart_times}:
        most = most_within([at for restarted, at in world.restart_times if restarted == name], HOUR)
        assert most <= MANY_RESTARTS, f"{most} restarts of {name} within an hour"


def most_within(times: list[datetime], span: timedelta) -> int:
    """Return how many of the times (ascending) lie within one span at most."""
    counts = (sum(time < first + span for time in times[n:]) for n, first in enumerate(times))
    return max(counts, default=0)


def one_rotation_per_request(world: World) -> None:
    """I4: a decision is replaced once by request, unless another writer removes our annotations."""
    for replaced in {(revision, token) for revision, token, _ in world.requested}:
        times = len({decision for *basis, decision in world.requested if tuple(basis) == replaced})
        assert times <= 1 or world.annotations_lost, f"I4: {replaced[1]} was replaced {times} times"


def is_at_rest(fleet: ModelFleet, number: int) -> bool:
    """Whether the gateway is at rest and has reason to be, as a new process sees it."""
    world, gateway = fleet.worlds[number], fleet.gateways[number]
    if not world.azure or any(not target.reachable or target.owned for target in world.targets.values()):
        return False
    seen = drive(observe(gateway, world.process()))
    step = next_step(Situation(seen, gateway.policy, world.now))
    soon = seen.current is None or renewal_time(seen, gateway.policy) < world.now + HOUR
    return isinstance(step, Rest) and step.reason is Reason.SETTLED and not soon and not seen.condemned


def fail_over_does_nothing(fleet: ModelFleet, number: int, skew: timedelta) -> None:
    """I5: a process that starts on a fleet at rest issues nothing and restarts nothing."""
    world = fleet.worlds[number]
    before = len(world.history), len(world.restart_times), len(world.revoked)
    issues = sum(isinstance(step, Issue) for step in world.steps)
    if not (world.leader and world.leader[1] > world.now):
        drive(rotate(fleet.gateways[number], world.process(skew)))
    assert (len(world.history), len(world.restart_times), len(world.revoked)) == before, (
        "I5: a fail-over did something"
    )
    assert sum(isinstance(step, Issue) for step in world.steps) == issues, "I5: a fail-over issued"


def nothing_expired(fleet: ModelFleet, number: int) -> None:
    """I2: with everything answering for days and a run a day, no token in force is left to expire."""
    world = fleet.worlds[number]
    records = [target.record for target in world.targets.values() if target.record]
    current = max((record.decision for record in records), key=lambda decision: decision.order, default=None)
    if current:
        assert current.token.expires_at > world.now, f"I2: {current.token} expired"
    for name, target in world.targets.items():
        disturbed = target.owned is not None or any(
            workload.owned or workload.stuck or workload.failed for workload in target.workloads.values()
        )
        if disturbed:
            continue
        assert world.expiry(target.value) > world.now, f"I2: the token in {name} expired"
        for workload in target.workloads.values():
            for pod in workload.pods if pods_run_our_token(fleet, number, target) else ():
                assert world.expiry(pod.token) > world.now, f"I2: {pod.name} runs an expired token"


def pods_run_our_token(fleet: ModelFleet, number: int, target: Target) -> bool:
    """Whether the rotator gave the target's pods their token, or may replace pods that may have read another.
    An operator who set the token by hand before that restarts the pods: adopting never does.
    """
    record = target.record
    if record is None or record.decision.token.template_token is not None:
        return True
    return record.restored_at is not None and fleet.gateways[number].policy.replace_pods


def at_rest(fleet: ModelFleet, number: int) -> None:
    """I3: one good token in every Secret and every pod, and the plan has nothing to add."""
    world, gateway = fleet.worlds[number], fleet.gateways[number]
    seen = drive(observe(gateway, world.process()))
    step = next_step(Situation(seen, gateway.policy, world.now))
    assert isinstance(step, Rest), f"I3: {step}"
    assert len({target.value for target in world.targets.values()}) == 1, {
        name: target.value for name, target in world.targets.items()
    }
    for who, token in world.tokens_in_use():
        assert world.usable(token), f"I3: {who} holds {token}"
    for name, target in world.targets.items():
        assert target.record, name
        assert target.record.decision.token.fingerprint == target.value, name
        assert target.record.verified, (name, target.record)
        for workload in target.workloads.values():
            assert workload.pods, name
            assert [pod for pod in workload.pods if pod.token != target.value] == [], name
    if world.deterministic:
        assert not seen.condemned, "a leaked key is still alive"
