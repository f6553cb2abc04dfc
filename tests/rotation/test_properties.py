"""Whatever happens to one gateway, its guarantees hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from rotator.core.records import Revocation
from rotator.core.steps import Issue, RollBack
from rotator.rotation import Gateway
from tests.rotation.dsl import DAY, at_rest, request_rotation, rotated, run, settle
from tests.rotation.events import Event
from tests.rotation.random_events import FEW, RUNS, happen, live
from tests.world import LEASE, Crash, count


@FEW
@given(**RUNS)
def test_nothing_ever_holds_a_token_we_revoked_and_all_comes_to_rest(**runs) -> None:  # type: ignore[no-untyped-def]
    """The model asserts I1 at every effect; then the faults end and the gateway comes to rest."""
    world, gateway = live(**runs)
    request_rotation(world)
    settle(world, gateway)
    world.pass_time(DAY)
    request_rotation(world)
    settle(world, gateway)
    at_rest(world, gateway)


@FEW
@given(**RUNS)
def test_restarts_are_paid_for_by_tokens_or_roll_backs(**runs) -> None:  # type: ignore[no-untyped-def]
    world, gateway = live(**runs, without=(Event.SECRET_REPLACED, Event.SECRET_NEWER))
    settle(world, gateway)
    for name, n in world.restarts.items():
        joined = name.startswith("joins")  # with pods that run nothing good, perhaps
        assert n <= len(world.issued) + count(world, RollBack) + joined, (
            name,
            n,
            world.issued,
            count(world, RollBack),
        )


@FEW
@given(
    at=st.integers(1, 60),
    targets=st.integers(1, 3),
    revoke=st.sampled_from(Revocation),
    leak=st.booleans(),
)
def test_a_crash_anywhere_costs_at_most_one_token(at, targets, revoke, leak) -> None:  # type: ignore[no-untyped-def]
    world, gateway = rotated(revoke, targets)
    before = world.serial
    request_rotation(world, leak=leak)

    def crash() -> None:
        raise Crash

    world.schedule = {world.points + at: [crash]}
    run(world, gateway)
    world.schedule = {}
    world.pass_time(LEASE)
    run(world, gateway)
    at_rest(world, gateway)
    assert count(world, Issue) <= 2 and before


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
    world, gateway = rotated(revoke, targets)
    gateway = Gateway("gw", replace(gateway.policy, panic_before=4 * DAY))
    for n, h in enumerate(hours):
        world.open_window ^= n in flips
        run(world, gateway)
        world.pass_time(timedelta(hours=h))
        if n in evicts:
            happen(world, gateway, Event.POD_RESTARTS, n)
        assert all(world.usable(token) for _, token in world.tokens_in_use())


@FEW
@given(**RUNS)
def test_a_failover_at_rest_does_nothing(**runs) -> None:  # type: ignore[no-untyped-def]
    """I5"""
    world, gateway = live(**runs)
    settle(world, gateway)
    issued, restarts = len(world.issued), dict(world.restarts)
    for _ in range(3):
        run(world, gateway)
    assert (len(world.issued), world.restarts) == (issued, restarts)
