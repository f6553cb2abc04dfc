"""Targets that join, and tokens that were adopted: what their pods run is taken for granted once, not for ever."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rotator.core.records import Key, Reason
from rotator.core.run_result import RunResult
from rotator.core.steps import Issue, Replace, RollBack
from rotator.rotation import Gateway, rotate
from tests.rotation.dsl import (
    DAY,
    GATEWAY,
    HOUR,
    MINUTE,
    at_rest,
    fleet,
    rotated,
    run,
    settle,
    step_names,
    tokens,
)
from tests.world import Workload, World, count, drive


def test_adoption_writes_annotations_and_nothing_else() -> None:
    world = fleet(2, 2)
    run(world)
    assert step_names(world) == ["Adopt", "Rest"] and not world.restarts and not world.issued
    at_rest(world, GATEWAY)


def test_adoption_restarts_nothing_when_the_key_is_unknown() -> None:
    world = fleet(2, deterministic=False)
    run(world)
    assert not world.restarts and not world.issued


def test_targets_with_different_live_tokens_wait_for_the_next_rotation() -> None:
    world = fleet(1)
    world.deploy("t1", world.mint(Key.PRIMARY, world.now + 25 * DAY))
    run(world)
    assert not world.restarts and not world.issued
    world.pass_time(15 * DAY)
    run(world)
    at_rest(world, GATEWAY)
    assert len(world.issued) == 1


def test_a_target_that_appears_with_a_token_that_is_due_gets_the_current_one() -> None:
    world, gateway = rotated()
    world.deploy("t1", world.mint(Key.SECONDARY, world.now + 2 * DAY))
    run(world, gateway)
    assert count(world, Issue) == 0
    world.pass_time(HOUR)
    at_rest(world, gateway)


def test_a_target_that_appears_with_a_good_token_keeps_it_until_the_next_rotation() -> None:
    world, gateway = rotated()
    world.deploy("t1", world.mint(Key.SECONDARY, world.now + 20 * DAY))
    run(world, gateway)
    assert step_names(world) == ["Adopt", "Rest"] and not world.restarts


def test_a_target_that_appears_in_a_freeze_is_not_restarted_while_its_token_is_good() -> None:
    world, gateway = rotated()
    world.deploy("t1", world.mint(Key.SECONDARY, world.now + 9 * DAY))
    world.open_window = False
    run(world, gateway)
    assert "t1/w0" not in world.restarts
    settle(world, gateway)
    at_rest(world, gateway)


@pytest.mark.parametrize("how", ["expired", "empty"])
def test_pods_that_run_nothing_good_are_restarted_though_the_token_was_adopted(how: str) -> None:
    world = fleet(1)
    world.join("t1", how)
    run(world)
    assert not world.issued and world.restarts == {"t1/w0": 1}
    assert tokens(world, "t1") == {world.targets["t0"].value}
    at_rest(world, GATEWAY)


def test_a_freeze_does_not_hold_up_pods_that_run_nothing_good() -> None:
    world = fleet(1)
    world.join("t1", "expired")
    world.open_window = False
    run(world)
    assert world.restarts == {"t1/w0": 1}


def test_a_pod_that_read_another_writers_token_beside_an_adopted_one_is_replaced() -> None:
    world = fleet(1)
    run(world)
    target = world.targets["t0"]
    (workload,) = target.workloads.values()
    old = [pod.name for pod in workload.pods]
    target.overwrite(world.mint(Key.SECONDARY, world.now + DAY))
    world.evict(target, workload, old[0])
    world.steps.clear()
    step = run(world)
    assert step_names(world) == ["Write", "Replace", "Rest"] and not world.restarts
    assert step and step.reason is Reason.SETTLED
    assert old[1] in {pod.name for pod in workload.pods}, "a pod that was there at the adoption had to go"
    at_rest(world, GATEWAY)


def test_a_suspect_beside_an_adopted_token_is_told_where_nothing_may_be_evicted() -> None:
    world = fleet(1)
    gateway = Gateway("gw", replace(GATEWAY.policy, replace_pods=False))
    run(world, gateway)
    target = world.targets["t0"]
    target.overwrite(world.mint(Key.SECONDARY, world.now + DAY))
    world.evict(target, target.workloads["w0"], target.workloads["w0"].pods[0].name)
    step = run(world, gateway)
    assert not any(isinstance(step, Replace) for step in world.steps)
    assert step and step.reason is Reason.UNSETTLED
    world.pass_time(HOUR)
    step = run(world, gateway)
    assert step and step.reason is Reason.UNSETTLED
    world.evict(target, target.workloads["w0"], target.workloads["w0"].pods[0].name)
    world.pass_time(MINUTE)
    step = run(world, gateway)
    assert step and step.reason is Reason.SETTLED


def test_a_pod_from_before_another_writers_newer_token_does_not_verify_that_token() -> None:
    """Adopted twice: the operator who set the second one by hand was to restart the pods. If not, status shows it."""
    world = fleet(1)
    run(world)
    target = world.targets["t0"]
    newer = world.mint(Key.PRIMARY, world.now + 29 * DAY + HOUR)
    target.overwrite(newer)
    run(world)
    assert target.value == newer and not world.issued
    target.overwrite(world.mint(Key.SECONDARY, world.now + DAY))
    run(world)
    assert target.value == newer and tokens(world, "t0") == {newer}


def test_a_target_that_joins_in_the_middle_of_a_fight_is_taken_over_all_the_same() -> None:
    world = fleet(1)
    run(world)
    world.restores, world.last_restored_at = 6, world.now
    world.join("t1", "other")
    run(world)
    assert world.targets["t1"].record and not world.issued


def test_a_first_token_that_is_dead_is_replaced_not_taken_over() -> None:
    world = fleet(1)
    world.generation[Key.SECONDARY] += 1
    run(world)
    assert len(world.issued) == 1
    at_rest(world, GATEWAY)


def add_workload(world: World, stuck: bool = False) -> Workload:
    target = world.targets["t0"]
    target.workloads["late"] = workload = Workload(None, [])
    workload.pods = [world.start(target, workload, None) for _ in range(2)]
    workload.stuck = stuck
    return workload


def test_a_workload_that_joins_a_proven_target_is_waited_for_and_proven_too() -> None:
    world, gateway = rotated()
    add_workload(world)
    outcome = drive(rotate(gateway, world.process()))
    assert step_names(world) == ["Restart", "Verify", "Rest"] and outcome.rest.reason is Reason.SETTLED
    at_rest(world, gateway)
    run(world, gateway)
    assert step_names(world)[-1] == "Rest" and world.restarts == {"t0/late": 1}


def test_a_workload_that_joins_and_does_not_come_up_is_not_called_settled() -> None:
    world, gateway = rotated()
    add_workload(world, stuck=True)
    for _ in range(3):
        outcome = drive(rotate(gateway, world.process()))
        assert (outcome.result, outcome.rest.reason) == (RunResult.UNSETTLED, Reason.UNSETTLED)
        world.pass_time(HOUR)
    assert not any(isinstance(step, RollBack) for step in world.steps), "the token was proven by the others"


@pytest.mark.parametrize("how", ["expired", "empty"])
def test_a_manifest_that_was_copied_with_our_mark_proves_nothing(how: str) -> None:
    """kubectl get deployment -o yaml | kubectl apply -n elsewhere -f -"""
    world, gateway = rotated()
    world.join("t1", how)
    (workload,) = world.targets["t1"].workloads.values()
    workload.template_token = world.targets["t0"].value
    for pod in workload.pods:
        pod.pod_token = workload.template_token
    run(world, gateway)
    assert tokens(world, "t1") == {world.targets["t1"].value}
    at_rest(world, gateway)
