"""A rotation from the first look to rest, and who asks for one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rotator.core.records import Key, Revocation
from rotator.core.steps import Issue, RollBack
from rotator.errors import Unavailable
from rotator.rotation import Noted, Result, rotate
from tests.rotation.dsl import (
    DAY,
    GW,
    HOUR,
    MINUTE,
    ask,
    at_rest,
    fails_once,
    fleet,
    gateway,
    kinds,
    note,
    rotated,
    run,
)
from tests.world import count, drive


def test_rotation_takes_each_step_once() -> None:
    w = fleet(2)
    run(w)
    w.pass_time(20 * DAY)
    w.acts.clear()
    run(w)
    assert kinds(w) == ["Issue", "Write", "Restart", "Verify", "Restart", "Verify", "Rest"]
    at_rest(w, GW)


def test_keys_alternate() -> None:
    w, signers = fleet(1, key=Key.PRIMARY), []
    for _ in range(4):
        run(w)
        w.pass_time(20 * DAY)
        run(w)
        signers.append(w.clusters["t0"].value.split("|")[0])
    assert signers == ["secondary", "primary"] * 2


def test_rest_is_restful() -> None:
    w = fleet(3, 2)
    run(w)
    points, lease = w.points, w.lease_version
    for _ in range(3):
        run(w)
    assert (w.points, w.lease_version) == (points, lease)


def test_duplicate_late_and_stale_events_cause_one_rotation() -> None:
    w, gw = rotated(targets=2)
    expiry = w.expiry(w.clusters["t0"].value)
    assert ask(w, expires_at=expiry) is Noted.ACCEPTED
    assert ask(w, expires_at=expiry) is Noted.DUPLICATE
    run(w, gw)
    assert ask(w, expires_at=expiry) is Noted.STALE
    run(w, gw)
    assert count(w, Issue) == 1


def test_a_request_from_a_clock_ahead_is_answered_once() -> None:
    w, gw = rotated()
    ahead = w.process()
    w.now += HOUR
    note(ahead)
    w.now -= HOUR
    for _ in range(4):
        run(w, gw)
    assert count(w, Issue) == 1
    assert ask(w) is Noted.ACCEPTED
    run(w, gw)
    assert count(w, Issue) == 2


@pytest.mark.parametrize("minutes", [-10, 10])
def test_clocks_that_disagree_change_nothing(minutes: int) -> None:
    for revoke in Revocation:
        w, gw = fleet(2), gateway(revoke)
        for skew in (timedelta(), minutes * MINUTE, timedelta(), minutes * MINUTE):
            drive(rotate(gw, w.process(skew)))
            ask(w)
            drive(rotate(gw, w.process(-skew)))
            w.pass_time(11 * MINUTE)
            drive(rotate(gw, w.process(skew)))
        assert count(w, Issue) == 4
        at_rest(w, gw)


def test_who_asks_again_after_a_roll_back_does_not_wait_for_the_back_off() -> None:
    w, gw = rotated()
    fails_once(w, gw)
    w.clusters["t0"].workloads["w0"].stuck = False
    run(w, gw)
    assert count(w, Issue) == 1
    ask(w, anew=True)
    run(w, gw)
    assert count(w, Issue) == 2
    at_rest(w, gw)


def test_asking_again_is_answered_once_however_often_it_fails() -> None:
    w, gw = rotated()
    fails_once(w, gw)
    ask(w, anew=True)
    for _ in range(5):
        run(w, gw)
        w.pass_time(MINUTE)
    assert count(w, RollBack) == 2


def test_a_repeated_event_does_not_shorten_the_back_off() -> None:
    w, gw = rotated()
    fails_once(w, gw)
    for _ in range(5):
        assert ask(w) is Noted.DUPLICATE
        run(w, gw)
    assert count(w, RollBack) == 1


def test_an_event_about_a_token_that_may_be_where_nobody_answers_is_not_stale() -> None:
    w, _ = rotated(targets=2)
    w.clusters["t1"].reachable = False
    with pytest.raises(Unavailable, match="a target is away"):
        ask(w, expires_at=w.now + 3 * DAY)
    w.clusters["t1"].reachable = True
    assert ask(w, expires_at=w.now + 3 * DAY) is Noted.STALE


def test_targets_whose_tokens_are_dead_roll_all_at_once() -> None:
    """How many may be unavailable at a time says nothing about those that are so already."""
    w = fleet(3)
    run(w)
    w.pass_time(31 * DAY)
    w.acts.clear()
    run(w)
    assert kinds(w) == ["Issue", "Write", "Restart", "Verify", "Rest"] and w.restarts.keys() == {
        "t0/w0",
        "t1/w0",
        "t2/w0",
    }
    at_rest(w, GW)


def test_the_others_get_a_copy_of_the_token_that_the_first_one_got() -> None:
    """Where the issuer gives another token each time, as it may."""
    w = fleet(3, deterministic=False)
    run(w)
    ask(w)
    run(w)
    assert len(w.issued) == 1 and {c.value for c in w.clusters.values()} == set(w.issued)


def test_what_was_only_adopted_is_called_so() -> None:
    w = fleet(1)
    assert drive(rotate(GW, w.process())).result is Result.ADOPTED
    assert drive(rotate(GW, w.process())).result is Result.RESTED
    ask(w)
    assert drive(rotate(GW, w.process())).result is Result.ROTATED
