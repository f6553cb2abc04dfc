"""What cannot be done in one place holds up no other."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from rotator.core.observation import Target
from rotator.core.records import Key, Reason, Record, Revocation
from rotator.core.run_result import RunResult
from rotator.core.steps import Issue, Rest
from rotator.errors import Refused, Unavailable
from rotator.ports import IssuedToken
from rotator.rotation import rotate
from rotator.rotation.failures import TARGET_RETRY, TargetFailure, combine
from tests.rotation.dsl import (
    DAY,
    GATEWAY,
    MINUTE,
    at_rest,
    fleet,
    observed,
    request_rotation,
    rotated,
    run,
    settle,
)
from tests.world import START, World, count, drive


def test_a_key_that_may_not_be_regenerated_before_its_reuse_holds_up_no_renewal() -> None:
    world, gateway = rotated(Revocation.BEFORE_REUSE)
    world.revocable, before, key = False, len(world.issued), world.targets["t0"].value.split("|")[0]
    request_rotation(world)
    with pytest.raises(Refused, match="not allowed"):
        drive(rotate(gateway, world.process()))
    assert len(world.issued) == before + 1 and world.targets["t0"].value.split("|")[0] != key
    at_rest(world, replace(gateway, policy=replace(gateway.policy, regenerate_keys=False)))


def test_a_key_that_may_not_be_regenerated_after_the_proof_holds_up_no_renewal() -> None:
    world, gateway = rotated(Revocation.AFTER_VERIFY)
    world.revocable, before = False, len(world.issued)
    world.pass_time(2 * DAY)
    with pytest.raises(Refused, match="not allowed"):
        drive(rotate(gateway, world.process()))
    request_rotation(world)
    run(world, gateway)
    assert len(world.issued) == before + 1
    at_rest(world, replace(gateway, policy=replace(gateway.policy, regenerate_keys=False)))


def test_a_leaked_key_that_may_not_be_regenerated_holds_up_no_renewal() -> None:
    world, gateway = rotated()
    world.revocable = False
    request_rotation(world, leak=True)
    with pytest.raises(Refused):
        drive(rotate(gateway, world.process()))
    world.pass_time(20 * DAY)
    with pytest.raises(Refused):
        drive(rotate(gateway, world.process()))
    assert count(world, Issue) == 2 and observed(world).condemned
    world.revocable = True
    settle(world, gateway)
    assert not observed(world).condemned
    at_rest(world, gateway)


def test_a_target_that_may_not_be_written_holds_up_no_other() -> None:
    world, gateway = rotated(targets=3)
    world.targets["t1"].forbidden = True
    ask_anybody(world)
    with pytest.raises(Refused, match="t1 may not be written"):
        drive(rotate(gateway, world.process()))
    values = {n: target.value for n, target in world.targets.items()}
    assert values["t0"] == values["t2"] != values["t1"]
    assert {pod.token for n in ("t0", "t2") for pod in world.targets[n].workloads["w0"].pods} == {
        values["t0"]
    }
    world.targets["t1"].forbidden = False
    settle(world, gateway)
    at_rest(world, gateway)


def test_the_first_target_may_not_be_written_and_the_next_one_gets_the_token() -> None:
    world, gateway = rotated(targets=2)
    request_rotation(world)
    world.targets["t0"].forbidden = True
    with pytest.raises(Refused, match="t0 may not be written"):
        drive(rotate(gateway, world.process()))
    assert world.targets["t1"].value != world.targets["t0"].value
    world.targets["t0"].forbidden = False
    settle(world, gateway)
    at_rest(world, gateway)


def test_all_that_went_wrong_is_said_at_once() -> None:
    world, gateway = rotated(targets=3)
    world.pass_time(20 * DAY)
    world.targets["t1"].forbidden = world.targets["t2"].forbidden = True
    with pytest.raises(Refused) as said:
        drive(rotate(gateway, world.process()))
    assert "t1 may not be written" in str(said.value) and "t2 may not be written" in str(said.value)


def ask_anybody(world: World) -> None:
    world.targets["t1"].forbidden, kept = False, world.targets["t1"].forbidden
    request_rotation(world)
    world.targets["t1"].forbidden = kept


def test_nothing_is_issued_on_a_key_whose_regeneration_may_still_arrive() -> None:
    world, gateway = rotated(Revocation.BEFORE_REUSE)
    ports = world.process()
    before, current = len(world.issued), world.targets["t0"].value.split("|")[0]

    class Late:
        call_timeout = timedelta(seconds=10)

        async def regenerate(self, key: Key) -> None:
            raise Unavailable("no answer within 10 s")

    request_rotation(world)
    with pytest.raises(Unavailable, match="no answer"):
        drive(rotate(gateway, replace(ports, revoker=Late())))
    assert len(world.issued) == before + 1
    assert world.targets["t0"].value.split("|")[0] == current
    at_rest(world, replace(gateway, policy=replace(gateway.policy, regenerate_keys=False)))


def test_an_emptied_secret_is_restored_though_another_cluster_is_unreachable() -> None:
    """The unreachable cluster may hold a token that cannot be issued again; but it may never come back."""
    world = fleet(2, deterministic=False)
    run(world)
    target = world.targets["t0"]
    target.value, target.version, world.targets["t1"].reachable = "", target.version + 1, False
    run(world)
    assert len(world.issued) == 1 and world.usable(target.value)
    settle(world, GATEWAY)
    at_rest(world, GATEWAY)
    assert len(world.issued) == 1


def test_a_secret_that_is_rewritten_all_the_time_is_given_up_for_now() -> None:
    world, gateway = rotated()
    request_rotation(world)

    def rewrite(_: object, call: str, after: bool) -> None:
        if (call, after) == ("observe", True):
            world.targets["t0"].version += 1

    world.at_call = rewrite
    with pytest.raises(Unavailable, match="another writer keeps changing"):
        drive(rotate(gateway, world.process()))
    assert world.targets["t0"].record and world.targets["t0"].value == world.issued[0]


def test_a_target_that_may_not_be_written_is_in_trouble_not_in_a_fight() -> None:
    world, gateway = rotated(targets=2)
    target = world.targets["t0"]
    target.value, target.version, target.forbidden = (
        world.mint(Key.SECONDARY, world.now + DAY),
        target.version + 1,
        True,
    )
    process = world.process()
    with pytest.raises(Refused):
        drive(rotate(gateway, process))
    last = world.steps[-1]
    assert isinstance(last, Rest) and last.reason is Reason.UNSETTLED


def test_a_fault_that_passes_is_tried_again_in_the_same_run_and_a_refusal_is_not() -> None:
    now = START
    passing = TargetFailure.of(Unavailable("no answer"), now)
    assert not passing.passed(now + TARGET_RETRY / 2) and passing.passed(now + TARGET_RETRY)
    asked = TargetFailure.of(Unavailable("slow down", retry_after=10 * MINUTE), now)
    assert not asked.passed(now + TARGET_RETRY) and asked.passed(now + 10 * MINUTE)
    assert not TargetFailure.of(Refused("no", "Allow it."), now).passed(now + DAY)


def test_several_faults_are_one_error_that_waits_for_the_longest() -> None:
    slow, slower = Unavailable("a", retry_after=MINUTE), Unavailable("b", retry_after=DAY)
    passing = combine([slow, slower, Unavailable("c")])
    assert isinstance(passing, Unavailable) and passing.retry_after == DAY and str(passing) == "a; b; c"
    assert isinstance(combine([slow, Refused("d", "Allow it.")]), Refused)
    assert combine([slow, slow]) is slow


def test_a_target_that_is_away_leaves_the_run_unsettled() -> None:
    world, gateway = rotated(targets=2)
    world.targets["t1"].reachable = False
    assert drive(rotate(gateway, world.process())).result is RunResult.UNSETTLED


def test_a_token_that_would_be_due_at_once_is_not_written() -> None:
    world, gateway = rotated()
    short = replace(gateway, policy=replace(gateway.policy, lifetime=29 * DAY))
    ports = world.process()
    issue = ports.issuer.issue

    async def cut_short(key: Key, expires_at: datetime) -> IssuedToken:
        return await issue(key, expires_at - 20 * DAY)

    ports.issuer.issue = cut_short  # type: ignore[method-assign]
    request_rotation(world)
    before = world.targets["t0"].value
    with pytest.raises(Refused, match="renew_before smaller"):
        drive(rotate(short, ports))
    assert world.targets["t0"].value == before


def test_a_cluster_that_did_not_answer_is_tried_again_while_others_roll() -> None:
    world, gateway = rotated(targets=2)
    process, failures = world.process(), 0
    write = process.store.write

    async def fail_once(target: Target, token: IssuedToken | None, record: Record) -> None:
        nonlocal failures
        if target.name == "t1" and token and not failures:
            failures += 1
            raise Unavailable("no answer")
        await write(target, token, record)

    process.store.write = fail_once  # type: ignore[method-assign]
    request_rotation(world)
    assert drive(rotate(gateway, process)).result is RunResult.ROTATED
    assert failures == 1
    at_rest(world, gateway)
