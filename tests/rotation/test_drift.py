"""Another writer changes a Secret: the rotator restores it and replaces pods that may have read another value."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from rotator.core.observation import Target
from rotator.core.plan import next_step
from rotator.core.records import Key, Reason, Record, Revocation
from rotator.core.situation import Situation
from rotator.core.steps import Issue, Replace
from rotator.errors import Unavailable
from rotator.ports import IssuedToken
from rotator.rotation import rotate
from tests.rotation.dsl import (
    DAY,
    HOUR,
    MINUTE,
    after,
    at_rest,
    fleet,
    observed,
    request_rotation,
    rotated,
    run,
    step_names,
)
from tests.world import LEASE, Crash, drive


def test_helm_sets_the_secret_back_and_no_pod_restarts() -> None:
    world, gateway = rotated()
    target = world.targets["t0"]
    old = world.mint(Key.SECONDARY, world.now + 20 * DAY)
    target.overwrite(old)
    names = {pod.name for pod in target.workloads["w0"].pods}
    run(world, gateway)
    assert (
        step_names(world)[0] == "Write"
        and not world.restarts
        and {pod.name for pod in target.workloads["w0"].pods} == names
    )
    at_rest(world, gateway)


def test_a_pod_that_started_on_another_writers_token_is_replaced() -> None:
    world, gateway = rotated()
    target = world.targets["t0"]
    target.overwrite(world.mint(Key.SECONDARY, world.now + 20 * DAY))
    world.evict(target, target.workloads["w0"], target.workloads["w0"].pods[0].name)
    world.pass_time(10 * timedelta(minutes=1))
    run(world, gateway)
    assert not world.restarts
    at_rest(world, gateway)


def test_a_pod_that_started_in_the_second_of_the_repair_is_not_trusted() -> None:
    world, gateway = rotated()
    target = world.targets["t0"]
    target.overwrite(world.mint(Key.SECONDARY, world.now + 20 * DAY))
    world.evict(target, target.workloads["w0"], target.workloads["w0"].pods[0].name)
    run(world, gateway)
    at_rest(world, gateway)


def test_a_process_whose_clock_is_ahead_evicts_a_suspect_once() -> None:
    """What comes in its place must be trusted, or it would be evicted again and again."""
    world, gateway = rotated()
    target = world.targets["t0"]
    target.overwrite(world.mint(Key.SECONDARY, world.now + 20 * DAY))
    world.evict(target, target.workloads["w0"], target.workloads["w0"].pods[0].name)
    drive(rotate(gateway, world.process(timedelta(seconds=30))))
    assert sum(isinstance(step, Replace) for step in world.steps) <= 1
    at_rest(world, gateway)


def test_a_newer_token_of_another_writer_is_adopted_and_reaches_the_pods() -> None:
    world, gateway = rotated()
    target = world.targets["t0"]
    target.overwrite(world.mint(Key.PRIMARY, world.now + 29 * DAY + HOUR))
    run(world, gateway)
    assert "Issue" not in step_names(world)
    world.pass_time(HOUR)
    assert {pod.token for pod in target.workloads["w0"].pods} == {target.value}


def test_a_key_regenerated_elsewhere_is_noticed_and_answered() -> None:
    world, gateway = rotated(targets=2)
    world.generation[Key.PRIMARY] += 1
    world.open_window = False
    run(world, gateway)
    assert [step.reason for step in world.steps if isinstance(step, Issue)] == [Reason.REVOKED]
    world.pass_time(HOUR)
    run(world, gateway)
    at_rest(world, gateway)


def test_known_limit_a_clock_minutes_behind_the_nodes_trusts_pods_it_should_not() -> None:
    """A repair is stamped by our clock, a pod's start by its node's: they may differ by
    half of CLOCK_TOLERANCE. Here the stamp is older than a pod that read the other writer's token: I1 falls.
    """
    world, gateway = rotated(Revocation.AFTER_VERIFY)
    target, behind = world.targets["t0"], timedelta(minutes=-10)
    target.overwrite(world.mint(Key.SECONDARY, world.now + 20 * DAY))
    world.evict(target, target.workloads["w0"], target.workloads["w0"].pods[0].name)
    world.pass_time(timedelta(minutes=3))
    with pytest.raises(AssertionError, match="I1"):
        for _ in range(5):
            drive(rotate(gateway, world.process(behind)))
            world.pass_time(DAY)


def test_an_emptied_secret_gets_a_new_token_where_the_old_one_cannot_be_issued_again() -> None:
    world = fleet(1, deterministic=False)
    run(world)
    target = world.targets["t0"]
    target.overwrite("")
    run(world)
    assert len(world.issued) == 1
    world.pass_time(HOUR)
    assert {pod.token for pod in target.workloads["w0"].pods} == {target.value} and world.usable(target.value)


def test_pods_are_evicted_one_at_a_time() -> None:
    world, gateway = rotated()
    target = world.targets["t0"]
    for pod in list(target.workloads["w0"].pods):
        target.overwrite(world.mint(Key.SECONDARY, world.now + 20 * DAY))
        world.evict(target, target.workloads["w0"], pod.name)
    run(world, gateway)
    first = next(step for step in world.steps if isinstance(step, Replace))
    load = first.target.workloads[0]
    assert len(load.pods) == 2 and all(pod.works for pod in load.pods)
    going = replace(load, pods=tuple(replace(pod, terminating=pod is first.pod) for pod in load.pods))
    seen = replace(observed(world), targets=(replace(first.target, workloads=(going,)),))
    assert not isinstance(next_step(Situation(seen, gateway.policy, world.now)), Replace)


def test_a_repair_that_lies_in_the_future_is_proven_once() -> None:
    """The process that repaired had a clock a few seconds ahead, or an API server's was set back."""
    world, gateway = rotated()
    target = world.targets["t0"]
    assert target.record
    pods = frozenset(pod.name for pod in target.workloads["w0"].pods)
    target.record = replace(target.record, restored_at=world.now + MINUTE, verified_pods=pods)
    run(world, gateway)
    assert [type(step).__name__ for step in world.steps] == ["Verify", "Rest"]


def test_a_step_that_does_not_last_is_given_up_for_now() -> None:
    """Something takes away whatever is written, and says it was."""
    world, gateway = rotated()
    process, written = world.process(), 0

    async def forget(target: Target, token: IssuedToken | None, record: Record) -> None:
        nonlocal written
        written += 1

    process.store.write = forget  # type: ignore[method-assign]
    request_rotation(world)
    with pytest.raises(Unavailable, match="gave up: Issue of t0 was undone 20 times in this run"):
        drive(rotate(gateway, process))
    assert written == 20


def test_a_token_that_a_template_names_already_is_not_issued_again_though_the_notes_are_gone() -> None:
    """Pods came up that name it and read what another writer had put there meanwhile."""
    world, gateway = rotated()
    request_rotation(world)
    run(world, gateway)  # so that the next one is of the key that a first token is of
    target, now = world.targets["t0"], world.now
    request_rotation(world)

    def steal() -> None:
        target.value, target.record, target.request, target.version = "", None, None, target.version + 1
        raise Crash

    world.at_call = after("restart", steal)
    run(world, gateway)
    issued = target.workloads["w0"].template_token
    world.pass_time(LEASE + MINUTE)
    drive(
        rotate(gateway, world.process(now - world.now))
    )  # its clock is behind: it is in the minute of the first one
    assert issued and target.value != issued
    at_rest(world, gateway)


def test_our_own_token_that_comes_back_without_our_notes_proves_no_pod() -> None:
    """A GitOps tool had another one there meanwhile, and a pod read it."""
    world, gateway = rotated()
    target, ours = world.targets["t0"], world.targets["t0"].value
    strange = world.mint(Key.SECONDARY, world.now + 20 * DAY)
    target.overwrite(strange)
    world.evict(target, target.workloads["w0"], target.workloads["w0"].pods[0].name)
    target.value, target.record, target.request, target.version = ours, None, None, target.version + 1
    run(world, gateway)
    assert strange not in {pod.token for pod in target.workloads["w0"].pods} and not world.restarts
    at_rest(world, gateway)
