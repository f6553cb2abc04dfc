"""What waits for a window, a budget or healthy pods says so, and does not wait for ever."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

from rotator.core.messages import overrides
from rotator.core.observation import MaintenanceWindow
from rotator.core.records import Reason
from rotator.core.steps import Issue, Rest, Restart
from rotator.rotation import Result, rotate
from tests.rotation.dsl import (
    DAY,
    HOUR,
    MINUTE,
    ask,
    at_rest,
    rotated,
    run,
    said_at_rest,
    seen_in,
    settle,
)
from tests.world import count, drive


def test_a_target_that_comes_back_outside_the_window_waits_with_its_restart() -> None:
    w, gw = rotated(targets=2)
    w.clusters["t1"].reachable = False
    ask(w)
    run(w, gw)
    w.clusters["t1"].reachable, w.open_window = True, False
    run(w, gw)
    assert w.restarts == {"t0/w0": 1}
    settle(w, gw)
    at_rest(w, gw)


def test_windows_hold_restarts_until_panic() -> None:
    w, gw = rotated()
    w.open_window = False
    w.pass_time(timedelta(days=26))
    run(w, gw)
    assert count(w, Issue) == 0
    w.pass_time(1 * DAY)
    run(w, gw)
    assert count(w, Issue) == 1
    at_rest(w, gw)


def test_sick_workloads_wait_unless_their_token_runs_out() -> None:
    w, gw = rotated()
    d = w.clusters["t0"].workloads["w0"]
    d.pods[0].works, d.stuck = False, True
    ask(w)
    run(w, gw)
    assert count(w, Issue) == 1 and not w.restarts
    settle(w, gw)
    at_rest(w, gw)


def test_what_waits_for_a_window_says_so() -> None:
    w, gw = rotated()
    w.open_window = False
    ask(w)
    reason, text = said_at_rest(w, gw)
    assert reason is Reason.HELD
    assert text == "a new token (Requested) waits: outside its maintenance windows"


def test_a_restart_that_waits_for_a_window_is_held_not_unsettled() -> None:
    w, gw = rotated(targets=2)
    w.clusters["t1"].reachable = False
    ask(w)
    run(w, gw)
    w.clusters["t1"].reachable, w.open_window = True, False
    run(w, gw)
    reason, text = said_at_rest(w, gw)
    assert reason is Reason.HELD
    assert "t1: restarts wait: outside its maintenance windows" in text


def test_a_window_that_opens_is_looked_at_when_it_opens() -> None:
    w, gw = rotated()
    opens = w.now + 90 * timedelta(seconds=1)
    step = drive(
        rotate(replace(gw, hours=lambda _: MaintenanceWindow(False, opens, "closed")), w.process())
    ).rest
    assert step.until == opens


def test_what_overrides_a_freeze_says_so() -> None:
    w, gw = rotated()
    w.open_window = False
    w.pass_time(27 * DAY + HOUR)
    run(w, gw)
    seen = replace(seen_in(w), hours=w.hours(w.now))
    loud = [type(s) for s in w.acts if overrides(s, seen)]
    assert set(loud) == {Issue, Restart}
    assert overrides(Rest(w.now, Reason.SETTLED), seen) == ""


def test_a_workload_is_restarted_so_often_an_hour_and_no_more() -> None:
    w, gw = rotated()
    gw = replace(gw, policy=replace(gw.policy, max_restarts_per_hour=2))
    for _ in range(5):
        ask(w)
        run(w, gw)
        w.pass_time(2 * MINUTE)
    assert sum(w.restarts.values()) == 2
    assert "a larger max_restarts_per_hour" in said_at_rest(w, gw)[1]
    w.pass_time(HOUR)
    settle(w, gw)
    at_rest(w, gw)


def test_a_gateway_waits_with_its_restart_while_too_many_others_roll() -> None:
    async def scene() -> None:
        w, gw = rotated()
        w.restarts.clear()
        ask(w)
        ports = w.process()
        await ports.rollouts.acquire()
        task = asyncio.create_task(rotate(gw, ports))
        while not any(isinstance(s, Restart) for s in w.acts):
            await asyncio.sleep(0)
        assert not w.restarts
        ports.rollouts.release()
        assert (await task).result is Result.ROTATED
        assert not ports.rollouts.locked()
        at_rest(w, gw)

    asyncio.run(scene())


def test_a_gateway_whose_pods_have_nothing_good_to_go_on_with_waits_for_no_other() -> None:
    w, gw = rotated()
    w.pass_time(30 * DAY)
    ports = w.process()
    drive(ports.rollouts.acquire())
    assert drive(rotate(gw, ports)).result is Result.ROTATED
