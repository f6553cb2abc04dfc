"""A rotation from the first look to rest, and who asks for one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rotator.core.records import Key, Revocation
from rotator.core.run_result import RunResult
from rotator.core.steps import Issue, RollBack
from rotator.errors import Unavailable
from rotator.rotation import Noted, rotate
from tests.rotation.dsl import (
    DAY,
    GATEWAY,
    HOUR,
    MINUTE,
    at_rest,
    fleet,
    gateway_with,
    request_by,
    request_rotation,
    rollout_fails_once,
    rotated,
    run,
    step_names,
)
from tests.world import count, drive


def test_rotation_takes_each_step_once() -> None:
    world = fleet(2)
    run(world)
    world.pass_time(20 * DAY)
    world.steps.clear()
    run(world)
    assert step_names(world) == ["Issue", "Write", "Restart", "Verify", "Restart", "Verify", "Rest"]
    at_rest(world, GATEWAY)


def test_keys_alternate() -> None:
    world, signers = fleet(1, key=Key.PRIMARY), []
    for _ in range(4):
        run(world)
        world.pass_time(20 * DAY)
        run(world)
        signers.append(world.targets["t0"].value.split("|")[0])
    assert signers == ["secondary", "primary"] * 2


def test_rest_is_restful() -> None:
    world = fleet(3, 2)
    run(world)
    points, lease = world.points, world.lease_version
    for _ in range(3):
        run(world)
    assert (world.points, world.lease_version) == (points, lease)


def test_duplicate_late_and_stale_events_cause_one_rotation() -> None:
    world, gateway = rotated(targets=2)
    expiry = world.expiry(world.targets["t0"].value)
    assert request_rotation(world, expires_at=expiry) is Noted.ACCEPTED
    assert request_rotation(world, expires_at=expiry) is Noted.DUPLICATE
    run(world, gateway)
    assert request_rotation(world, expires_at=expiry) is Noted.STALE
    run(world, gateway)
    assert count(world, Issue) == 1


def test_a_request_from_a_clock_ahead_is_answered_once() -> None:
    world, gateway = rotated()
    ahead = world.process()
    world.now += HOUR
    request_by(ahead)
    world.now -= HOUR
    for _ in range(4):
        run(world, gateway)
    assert count(world, Issue) == 1
    assert request_rotation(world) is Noted.ACCEPTED
    run(world, gateway)
    assert count(world, Issue) == 2


@pytest.mark.parametrize("minutes", [-10, 10])
def test_clocks_that_disagree_change_nothing(minutes: int) -> None:
    for revoke in Revocation:
        world, gateway = fleet(2), gateway_with(revoke)
        for skew in (timedelta(), minutes * MINUTE, timedelta(), minutes * MINUTE):
            drive(rotate(gateway, world.process(skew)))
            request_rotation(world)
            drive(rotate(gateway, world.process(-skew)))
            world.pass_time(11 * MINUTE)
            drive(rotate(gateway, world.process(skew)))
        assert count(world, Issue) == 4
        at_rest(world, gateway)


def test_who_asks_again_after_a_roll_back_does_not_wait_for_the_back_off() -> None:
    world, gateway = rotated()
    rollout_fails_once(world, gateway)
    world.targets["t0"].workloads["w0"].stuck = False
    run(world, gateway)
    assert count(world, Issue) == 1
    request_rotation(world, anew=True)
    run(world, gateway)
    assert count(world, Issue) == 2
    at_rest(world, gateway)


def test_asking_again_is_answered_once_however_often_it_fails() -> None:
    world, gateway = rotated()
    rollout_fails_once(world, gateway)
    request_rotation(world, anew=True)
    for _ in range(5):
        run(world, gateway)
        world.pass_time(MINUTE)
    assert count(world, RollBack) == 2


def test_a_repeated_event_does_not_shorten_the_back_off() -> None:
    world, gateway = rotated()
    rollout_fails_once(world, gateway)
    for _ in range(5):
        assert request_rotation(world) is Noted.DUPLICATE
        run(world, gateway)
    assert count(world, RollBack) == 1


def test_an_event_about_a_token_that_an_unreachable_target_may_hold_is_not_stale() -> None:
    world, _ = rotated(targets=2)
    world.targets["t1"].reachable = False
    with pytest.raises(Unavailable, match="a target is unreachable"):
        request_rotation(world, expires_at=world.now + 3 * DAY)
    world.targets["t1"].reachable = True
    assert request_rotation(world, expires_at=world.now + 3 * DAY) is Noted.STALE


def test_targets_whose_tokens_are_dead_roll_all_at_once() -> None:
    """How many may be unavailable at a time says nothing about those that are so already."""
    world = fleet(3)
    run(world)
    world.pass_time(31 * DAY)
    world.steps.clear()
    run(world)
    assert step_names(world) == ["Issue", "Write", "Restart", "Verify", "Rest"] and world.restarts.keys() == {
        "t0/w0",
        "t1/w0",
        "t2/w0",
    }
    at_rest(world, GATEWAY)


def test_the_others_get_a_copy_of_the_token_that_the_first_one_got() -> None:
    """Where the issuer gives another token each time, as it may."""
    world = fleet(3, deterministic=False)
    run(world)
    request_rotation(world)
    run(world)
    assert len(world.issued) == 1 and {target.value for target in world.targets.values()} == set(world.issued)


def test_a_run_that_only_adopted_says_so() -> None:
    world = fleet(1)
    assert drive(rotate(GATEWAY, world.process())).result is RunResult.ADOPTED
    assert drive(rotate(GATEWAY, world.process())).result is RunResult.RESTED
    request_rotation(world)
    assert drive(rotate(GATEWAY, world.process())).result is RunResult.ROTATED
