"""What waits for a window, a budget or healthy pods says so, and does not wait for ever."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from rotator.core.messages import overrides
from rotator.core.observation import MaintenanceWindow
from rotator.core.records import Reason
from rotator.core.run_result import RunResult
from rotator.core.steps import Issue, Rest, Restart
from rotator.rotation import rotate
from tests.rotation.dsl import (
    DAY,
    HOUR,
    MINUTE,
    at_rest,
    observed,
    reason_at_rest,
    request_rotation,
    rotated,
    run,
    settle,
)
from tests.world import count, drive


def test_a_target_that_comes_back_outside_the_window_waits_with_its_restart() -> None:
    world, gateway = rotated(targets=2)
    world.targets["t1"].reachable = False
    request_rotation(world)
    run(world, gateway)
    world.targets["t1"].reachable, world.open_window = True, False
    run(world, gateway)
    assert world.restarts == {"t0/w0": 1}
    settle(world, gateway)
    at_rest(world, gateway)


def test_windows_hold_restarts_until_panic() -> None:
    world, gateway = rotated()
    world.open_window = False
    world.pass_time(timedelta(days=26))
    run(world, gateway)
    assert count(world, Issue) == 0
    world.pass_time(1 * DAY)
    run(world, gateway)
    assert count(world, Issue) == 1
    at_rest(world, gateway)


def test_unhealthy_workloads_wait_unless_their_token_runs_out() -> None:
    world, gateway = rotated()
    workload = world.targets["t0"].workloads["w0"]
    workload.pods[0].works, workload.stuck = False, True
    request_rotation(world)
    run(world, gateway)
    assert count(world, Issue) == 1 and not world.restarts
    settle(world, gateway)
    at_rest(world, gateway)


def test_what_waits_for_a_window_says_so() -> None:
    world, gateway = rotated()
    world.open_window = False
    request_rotation(world)
    reason, text = reason_at_rest(world, gateway)
    assert reason is Reason.HELD
    assert text == "a new token (Requested) waits: outside its maintenance windows"


def test_a_restart_that_waits_for_a_window_is_held_not_unsettled() -> None:
    world, gateway = rotated(targets=2)
    world.targets["t1"].reachable = False
    request_rotation(world)
    run(world, gateway)
    world.targets["t1"].reachable, world.open_window = True, False
    run(world, gateway)
    reason, text = reason_at_rest(world, gateway)
    assert reason is Reason.HELD
    assert "t1: restarts wait: outside its maintenance windows" in text


def test_a_window_that_opens_is_looked_at_when_it_opens() -> None:
    world, gateway = rotated()
    opens = world.now + 90 * timedelta(seconds=1)
    step = drive(
        rotate(replace(gateway, window=lambda _: MaintenanceWindow(False, opens, "closed")), world.process())
    ).rest
    assert step.until == opens


def test_what_overrides_a_freeze_says_so() -> None:
    world, gateway = rotated()
    world.open_window = False
    world.pass_time(27 * DAY + HOUR)
    run(world, gateway)
    seen = replace(observed(world), window=world.window(world.now))
    loud = [type(step) for step in world.steps if overrides(step, seen)]
    assert set(loud) == {Issue, Restart}
    assert overrides(Rest(world.now, Reason.SETTLED), seen) == ""


def test_a_workload_is_restarted_so_often_an_hour_and_no_more() -> None:
    world, gateway = rotated()
    gateway = replace(gateway, policy=replace(gateway.policy, max_restarts_per_hour=2))
    for _ in range(5):
        request_rotation(world)
        run(world, gateway)
        world.pass_time(2 * MINUTE)
    assert sum(world.restarts.values()) == 2
    assert "a larger max_restarts_per_hour" in reason_at_rest(world, gateway)[1]
    world.pass_time(HOUR)
    settle(world, gateway)
    at_rest(world, gateway)


def test_a_gateway_waits_with_its_restart_while_too_many_others_roll() -> None:
    async def scene() -> None:
        world, gateway = rotated()
        world.restarts.clear()
        request_rotation(world)
        ports = world.process()
        await ports.rollouts.acquire()
        task = asyncio.create_task(rotate(gateway, ports))
        while not any(isinstance(step, Restart) for step in world.steps):
            await asyncio.sleep(0)
        assert not world.restarts
        ports.rollouts.release()
        assert (await task).result is RunResult.ROTATED
        assert not ports.rollouts.locked()
        at_rest(world, gateway)

    asyncio.run(scene())


def test_a_gateway_whose_pods_have_nothing_good_to_go_on_with_waits_for_no_other() -> None:
    world, gateway = rotated()
    world.pass_time(30 * DAY)
    ports = world.process()
    drive(ports.rollouts.acquire())
    assert drive(rotate(gateway, ports)).result is RunResult.ROTATED
