"""A token that pods do not come up with gives way to the previous one."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from rotator.core.observation import Observation
from rotator.core.plan import next_step
from rotator.core.records import Reason
from rotator.core.run_result import RunResult
from rotator.core.situation import Situation
from rotator.core.steps import Issue, Replace, Rest, RollBack, Step
from rotator.errors import Refused
from rotator.rotation import rotate
from tests.rotation.dsl import (
    DAY,
    HOUR,
    MINUTE,
    at_rest,
    fleet,
    observed,
    reason_at_rest,
    request_rotation,
    rotated,
    run,
    settle,
    step_names,
)
from tests.world import count, drive


def test_a_failed_rollout_goes_back_to_the_old_replicaset_without_new_pods() -> None:
    for adopted in (True, False):
        world = fleet(1)
        run(world)
        if not adopted:
            world, _ = rotated()
        workload = world.targets["t0"].workloads["w0"]
        before, token, workload.stuck = {pod.name for pod in workload.pods}, workload.template_token, True
        request_rotation(world)
        run(world)
        assert count(world, RollBack) == 1 and workload.template_token == token
        world.pass_time(timedelta(minutes=10))
        assert {pod.name for pod in workload.pods} == before


def test_a_rollout_that_always_fails_backs_off() -> None:
    """31 days: a handful of tokens, not hundreds; nothing expires in the pods that serve."""
    world, gateway = rotated(targets=2)
    world.targets["t1"].workloads["w0"].stuck = True
    world.pass_time(18 * DAY)
    for _ in range(24 * 8):
        run(world, gateway)
        world.pass_time(HOUR)
    assert 2 <= count(world, RollBack) <= 14, count(world, RollBack)
    assert count(world, Issue) <= count(world, RollBack) + 1


def test_each_failure_in_a_row_doubles_the_wait() -> None:
    world, gateway = rotated()
    world.targets["t0"].workloads["w0"].stuck = True
    waits = []
    for n in (1, 2, 3):
        request_rotation(world, anew=True)
        run(world, gateway)
        record = world.targets["t0"].record
        assert record and record.decision.failures == n
        assert record.decision.retry_at and record.restored_at
        waits.append(record.decision.retry_at - record.restored_at)
        world.pass_time(waits[-1])
    assert waits == [HOUR / 2, HOUR, 2 * HOUR]


def test_previous_no_longer_good_means_stay() -> None:
    world, gateway = rotated()
    workload = world.targets["t0"].workloads["w0"]
    workload.stuck = True
    world.generation = {k: g + 1 for k, g in world.generation.items()}
    for _ in range(48):
        run(world, gateway)
        world.pass_time(HOUR)
    assert count(world, RollBack) == 0 and count(world, Issue) == 1
    workload.stuck = False
    settle(world, gateway)
    at_rest(world, gateway)


def test_an_ordered_workload_rolled_back_to_its_first_token_gets_rid_of_the_broken_pod() -> None:
    """Nothing is to be proven of an adopted token, but its controller waits for the pod for ever."""
    world = fleet(1)
    run(world)
    workload = world.targets["t0"].workloads["w0"]
    workload.ordered = workload.stuck = True
    request_rotation(world)
    run(world)
    workload.stuck = False
    world.pass_time(10 * timedelta(minutes=1))
    run(world)
    world.pass_time(10 * timedelta(minutes=1))
    assert count(world, RollBack) == 1 and all(pod.works and pod.pod_token is None for pod in workload.pods)


def test_a_broken_pod_of_an_ordered_workload_does_not_hold_up_the_next_token() -> None:
    """Its controller waits for the pod, and an unhealthy workload waits with its restart: neither would act."""
    world, gateway = rotated()
    workload = world.targets["t0"].workloads["w0"]
    workload.ordered, workload.pods[0].pod_token, workload.pods[0].works = True, "an older one", False
    request_rotation(world)
    run(world, gateway)
    at_rest(world, gateway)


def test_a_broken_pod_is_left_to_a_controller_that_replaces_it_itself() -> None:
    world, gateway = rotated()
    workload = world.targets["t0"].workloads["w0"]
    workload.pods[0].pod_token, workload.pods[0].works = "an older one", False
    run(world, gateway)
    assert not any(isinstance(step, Replace) for step in world.steps)


def test_a_roll_back_names_each_target_that_failed() -> None:
    world, gateway = rotated(targets=2)
    gateway = replace(gateway, policy=replace(gateway.policy, max_unavailable_targets=2))
    for target in world.targets.values():
        target.workloads["w0"].stuck = True
    request_rotation(world)
    outcome = drive(rotate(gateway, world.process()))
    assert outcome.result is RunResult.ROLLED_BACK
    reason, text = reason_at_rest(world, gateway)
    assert reason is Reason.ROLLED_BACK
    assert text.startswith(
        "the rollout failed once and was rolled back; a new token (Requested) is tried after"
    ) or ("everything runs" in text)
    step = next(step for step in world.steps if isinstance(step, RollBack))
    assert step.decision.retry_at and step.decision.retry_at > world.now


def test_an_ordered_workload_that_is_stuck_is_freed() -> None:
    world, gateway = rotated()
    workload = world.targets["t0"].workloads["w0"]
    workload.ordered = workload.stuck = True
    request_rotation(world)
    run(world, gateway)
    assert count(world, RollBack) == 1 and "Replace" in step_names(world)
    assert [pod for pod in workload.pods if pod.pod_token != workload.template_token] == []


def test_a_pod_that_is_leaving_is_not_evicted_again() -> None:
    world, gateway = rotated()
    workload = world.targets["t0"].workloads["w0"]
    workload.ordered = workload.stuck = True
    request_rotation(world)
    run(world, gateway)
    (step,) = {step.pod.name: step for step in world.steps if isinstance(step, Replace)}.values()
    load = next(workload for workload in step.target.workloads if step.pod in workload.pods)
    gone = replace(load, pods=tuple(replace(pod, terminating=pod.name == step.pod.name) for pod in load.pods))
    seen = replace(observed(world), targets=(replace(step.target, workloads=(gone,)),))
    assert not isinstance(next_step(Situation(seen, gateway.policy, world.now)), Replace)
    still = replace(seen, targets=(step.target,))
    assert isinstance(next_step(Situation(still, gateway.policy, world.now)), Replace)


def test_a_failed_token_goes_no_further_although_it_cannot_be_put_back() -> None:
    world, gateway = rotated(targets=2)
    ports = world.process()
    world.targets["t0"].workloads["w0"].stuck = True
    request_rotation(world)

    decided = ports.reporter.decided

    def spoil(step: Step, seen: Observation, now: datetime) -> None:
        world.targets["t0"].forbidden = world.targets["t0"].forbidden or isinstance(step, RollBack)
        decided(step, seen, now)

    ports.reporter.decided = spoil  # type: ignore[method-assign]
    before = len(world.issued)
    with pytest.raises(Refused, match="t0 may not be written"):
        drive(rotate(gateway, ports))
    assert "t1/w0" not in world.restarts
    with suppress(Refused):
        drive(rotate(gateway, ports))
    assert len(world.issued) == before + 1


def test_a_rollout_that_failed_is_not_waited_for() -> None:
    """Kubernetes knows it before our own time is up."""
    world, gateway = rotated()
    workload = world.targets["t0"].workloads["w0"]
    workload.stuck, began = True, world.now

    def fail(_: object, call: str, after: bool) -> None:
        workload.failed = workload.failed or (call, after) == ("restart", True)

    world.at_call = fail
    request_rotation(world)
    run(world, gateway)
    record = world.targets["t0"].record
    assert count(world, RollBack) == 1 and record and record.restored_at
    assert record.restored_at - began < gateway.policy.rollout_timeout


def test_a_success_ends_the_count_of_failures() -> None:
    world, gateway = rotated()
    workload = world.targets["t0"].workloads["w0"]
    for stuck, failures in ((True, 1), (False, 1), (False, 0), (True, 1)):
        workload.stuck = stuck
        request_rotation(world, anew=True)
        run(world, gateway)
        record = world.targets["t0"].record
        assert record and record.decision.failures == failures
        world.pass_time(DAY)


def test_the_next_try_is_made_before_the_token_that_came_back_is_about_to_end() -> None:
    world, gateway = rotated()
    target = world.targets["t0"]
    target.workloads["w0"].stuck = True
    last_call = world.expiry(target.value) - gateway.policy.panic_before
    world.pass_time(last_call - world.now - 20 * MINUTE)
    run(world, gateway)
    assert count(world, RollBack) == 1 and target.record and target.record.decision.retry_at == last_call


def test_old_pods_that_take_long_to_end_are_no_reason_to_roll_back() -> None:
    """A grace period longer than rollout_timeout, or a node that is gone: told, not undone."""
    world, gateway = rotated()
    request_rotation(world)
    run(world, gateway)
    seen = observed(world)
    (t,), target = seen.targets, world.targets["t0"]
    assert t.record and target.record
    load = t.workloads[0]
    old = replace(load.pods[0], name="old", pod_token="an older one", instance="old", terminating=True)
    unproven = replace(t.record, verified_at=None)
    slow = replace(t, record=unproven, workloads=(replace(load, pods=(*load.pods, old)),))
    later = world.now + 2 * gateway.policy.rollout_timeout
    step = next_step(Situation(replace(seen, targets=(slow,)), gateway.policy, later))
    assert isinstance(step, Rest) and step.reason is Reason.UNSETTLED
    broken = replace(load.pods[0], works=False)
    failed = replace(slow, workloads=(replace(load, pods=(broken, old)),))
    assert isinstance(next_step(Situation(replace(seen, targets=(failed,)), gateway.policy, later)), RollBack)
