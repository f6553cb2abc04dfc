"""Whatever happens to one gateway, its promises hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from rotator.core.records import Revocation
from rotator.core.steps import Issue, RollBack
from rotator.rotation import Gateway
from tests.rotation.dsl import DAY, ask, at_rest, rotated, run, settle
from tests.rotation.scenes import FEW, SCENE, happen, live
from tests.world import LEASE, Crash, count


@FEW
@given(**SCENE)
def test_nothing_ever_holds_a_token_we_revoked_and_all_comes_to_rest(**scene) -> None:  # type: ignore[no-untyped-def]
    """I1 is asserted by the world at every effect; then the world behaves and the gateway rests."""
    w, gw = live(**scene)
    ask(w)
    settle(w, gw)
    w.pass_time(DAY)
    ask(w)
    settle(w, gw)
    at_rest(w, gw)


@FEW
@given(**SCENE)
def test_restarts_are_paid_for_by_tokens_or_roll_backs(**scene) -> None:  # type: ignore[no-untyped-def]
    w, gw = live(**scene, skip=("replace-all", "newer"))
    settle(w, gw)
    for name, n in w.restarts.items():
        joined = name.startswith("joins")  # with pods that run nothing good, perhaps
        assert n <= len(w.issued) + count(w, RollBack) + joined, (name, n, w.issued, count(w, RollBack))


@FEW
@given(
    at=st.integers(1, 60),
    targets=st.integers(1, 3),
    revoke=st.sampled_from(Revocation),
    leak=st.booleans(),
)
def test_a_crash_anywhere_costs_at_most_one_token(at, targets, revoke, leak) -> None:  # type: ignore[no-untyped-def]
    w, gw = rotated(revoke, targets)
    before = w.serial
    ask(w, leak=leak)

    def crash() -> None:
        raise Crash

    w.schedule = {w.points + at: [crash]}
    run(w, gw)
    w.schedule = {}
    w.pass_time(LEASE)
    run(w, gw)
    at_rest(w, gw)
    assert count(w, Issue) <= 2 and before


@FEW
@given(
    hours=st.lists(st.sampled_from([1, 6, 24, 72]), min_size=20, max_size=60),
    targets=st.integers(1, 3),
    revoke=st.sampled_from(Revocation),
    flips=st.sets(st.integers(0, 59)),
    evicts=st.sets(st.integers(0, 59)),
)
def test_nothing_expires_while_the_world_answers(hours, targets, revoke, flips, evicts) -> None:  # type: ignore[no-untyped-def]
    """I2, with windows that close for weeks (three days at most pass between looks)."""
    w, gw = rotated(revoke, targets)
    gw = Gateway("gw", replace(gw.policy, panic_before=4 * DAY))
    for n, h in enumerate(hours):
        w.open_window ^= n in flips
        run(w, gw)
        w.pass_time(timedelta(hours=h))
        if n in evicts:
            happen(w, gw, "evict", n)
        assert all(w.usable(token) for _, token in w.held())


@FEW
@given(**SCENE)
def test_a_failover_at_rest_does_nothing(**scene) -> None:  # type: ignore[no-untyped-def]
    """I5"""
    w, gw = live(**scene)
    settle(w, gw)
    issued, restarts = len(w.issued), dict(w.restarts)
    for _ in range(3):
        run(w, gw)
    assert (len(w.issued), w.restarts) == (issued, restarts)
