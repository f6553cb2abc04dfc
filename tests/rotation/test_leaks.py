"""A leaked token is ended, whatever happens on the way."""

from __future__ import annotations

from rotator.core.records import Key
from rotator.core.steps import Issue, RollBack
from tests.rotation.dsl import (
    DAY,
    GATEWAY,
    HOUR,
    MINUTE,
    at_rest,
    crash_after,
    crash_before,
    fleet,
    observed,
    request_rotation,
    rotated,
    run,
    settle,
)
from tests.world import LEASE, count


def test_a_leak_ends_the_leaked_key() -> None:
    world, gateway = rotated(targets=2)
    leaked = world.targets["t0"].value
    request_rotation(world, leak=True)
    run(world, gateway)
    assert not world.alive(leaked)
    at_rest(world, gateway)


def test_a_leak_outlives_a_renewal_while_a_target_is_away() -> None:
    world, gateway = rotated(targets=2)
    leaked = world.targets["t0"].value
    request_rotation(world, leak=True)
    world.targets["t1"].reachable = False
    run(world, gateway)
    world.pass_time(20 * DAY)
    run(world, gateway)
    assert world.alive(leaked) and count(world, Issue) == 2
    settle(world, gateway)
    assert not world.alive(leaked)
    at_rest(world, gateway)


def test_a_leak_outlives_a_secret_that_is_replaced_without_our_annotations() -> None:
    world, gateway = rotated(targets=2)
    leaked = world.targets["t0"].value
    request_rotation(world, leak=True)
    world.targets["t1"].reachable = False
    run(world, gateway)
    for target in world.targets.values():
        target.record, target.request, target.version = None, None, target.version + 1
    assert world.remembered == {Key.PRIMARY} and world.alive(leaked)
    world.targets["t1"].reachable = True
    run(world, gateway)
    world.pass_time(20 * DAY)
    settle(world, gateway)
    assert not world.alive(leaked) and not world.remembered
    at_rest(world, gateway)


def test_a_leak_outlives_a_roll_back_to_the_leaked_token() -> None:
    world, gateway = rotated()
    leaked = world.targets["t0"].value
    world.targets["t0"].workloads["w0"].stuck = True
    request_rotation(world, leak=True)
    run(world, gateway)
    assert count(world, RollBack) == 1 and world.targets["t0"].value == leaked
    world.remembered = frozenset()  # an operator deletes the Lease
    assert observed(world).condemned == {Key(leaked.split("|")[0])}
    settle(world, gateway)
    assert not world.alive(leaked)
    at_rest(world, gateway)


def test_a_leak_waits_for_no_window() -> None:
    world, gateway = rotated(targets=2)
    leaked = world.targets["t0"].value
    world.open_window = False
    request_rotation(world, leak=True)
    run(world, gateway)
    assert not world.alive(leaked)
    at_rest(world, gateway)


def test_asking_again_forgets_no_leak() -> None:
    world, gateway = rotated()
    leaked = world.targets["t0"].value
    world.targets["t0"].workloads["w0"].stuck = True
    request_rotation(world, leak=True)
    run(world, gateway)
    world.targets["t0"].workloads["w0"].stuck = False
    request_rotation(world, anew=True)
    run(world, gateway)
    assert not world.alive(leaked)


def test_a_leak_in_the_middle_of_a_rollout_ends_the_tokens_that_pods_still_run() -> None:
    world, gateway = rotated()
    leaked = world.targets["t0"].value
    request_rotation(world)
    world.at_call = crash_before("restart")
    run(world, gateway)
    assert {pod.token for pod in world.targets["t0"].workloads["w0"].pods} == {leaked}
    assert world.targets["t0"].value != leaked
    world.pass_time(HOUR)
    request_rotation(world, leak=True)
    settle(world, gateway)
    assert not world.alive(leaked) and not observed(world).condemned
    at_rest(world, gateway)


def test_a_leak_ends_every_adopted_token_whatever_its_key() -> None:
    world = fleet(1)
    world.deploy("t1", world.mint(Key.PRIMARY, world.now + 25 * DAY))
    run(world)
    tokens = {target.value for target in world.targets.values()}
    request_rotation(world, leak=True)
    settle(world, GATEWAY)
    assert not [t for t in tokens if world.alive(t)]
    at_rest(world, GATEWAY)


def test_a_leak_waits_for_no_budget_of_restarts() -> None:
    world, gateway = rotated()
    workload = world.targets["t0"].workloads["w0"]
    workload.restarts, workload.counted_since = gateway.policy.max_restarts_per_hour, world.now
    request_rotation(world, leak=True)
    run(world, gateway)
    assert world.restarts == {"t0/w0": 1}
    at_rest(world, gateway)


def test_a_leak_that_the_template_has_left_already_keeps_to_the_budget() -> None:
    """The leak is reported again and again while the pods do not come up."""
    world, gateway = rotated()
    world.targets["t0"].workloads["w0"].stuck = True
    for _ in range(9):
        world.at_call = crash_after("restart")
        request_rotation(world, leak=True)
        run(world, gateway)
        world.pass_time(LEASE + MINUTE)
    assert len(world.issued) > gateway.policy.max_restarts_per_hour
    assert world.restarts == {"t0/w0": gateway.policy.max_restarts_per_hour}
