"""What cannot be done in one place holds up no other."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from rotator.core.observation import Target
from rotator.core.records import Key, Reason, Record, Revocation
from rotator.core.steps import Issue, Rest
from rotator.errors import Refused, Unavailable
from rotator.ports import IssuedToken
from rotator.rotation import Result, rotate
from rotator.rotation.failures import TARGET_RETRY, TargetFailure, combine
from tests.rotation.dsl import DAY, GW, MINUTE, ask, at_rest, fleet, rotated, run, seen_in, settle
from tests.world import START, World, count, drive


def test_a_key_that_may_not_be_regenerated_before_its_reuse_holds_up_no_renewal() -> None:
    w, gw = rotated(Revocation.BEFORE_REUSE)
    w.revocable, before, key = False, len(w.issued), w.clusters["t0"].value.split("|")[0]
    ask(w)
    with pytest.raises(Refused, match="not allowed"):
        drive(rotate(gw, w.process()))
    assert len(w.issued) == before + 1 and w.clusters["t0"].value.split("|")[0] != key
    at_rest(w, replace(gw, policy=replace(gw.policy, regenerate_keys=False)))


def test_a_key_that_may_not_be_regenerated_after_the_proof_holds_up_no_renewal() -> None:
    w, gw = rotated(Revocation.AFTER_VERIFY)
    w.revocable, before = False, len(w.issued)
    w.pass_time(2 * DAY)
    with pytest.raises(Refused, match="not allowed"):
        drive(rotate(gw, w.process()))
    ask(w)
    run(w, gw)
    assert len(w.issued) == before + 1
    at_rest(w, replace(gw, policy=replace(gw.policy, regenerate_keys=False)))


def test_a_leaked_key_that_may_not_be_regenerated_holds_up_no_renewal() -> None:
    w, gw = rotated()
    w.revocable = False
    ask(w, leak=True)
    with pytest.raises(Refused):
        drive(rotate(gw, w.process()))
    w.pass_time(20 * DAY)
    with pytest.raises(Refused):
        drive(rotate(gw, w.process()))
    assert count(w, Issue) == 2 and seen_in(w).condemned
    w.revocable = True
    settle(w, gw)
    assert not seen_in(w).condemned
    at_rest(w, gw)


def test_a_target_that_may_not_be_written_holds_up_no_other() -> None:
    w, gw = rotated(targets=3)
    w.clusters["t1"].forbidden = True
    ask_anybody(w)
    with pytest.raises(Refused, match="t1 may not be written"):
        drive(rotate(gw, w.process()))
    values = {n: c.value for n, c in w.clusters.items()}
    assert values["t0"] == values["t2"] != values["t1"]
    assert {p.token for n in ("t0", "t2") for p in w.clusters[n].workloads["w0"].pods} == {values["t0"]}
    w.clusters["t1"].forbidden = False
    settle(w, gw)
    at_rest(w, gw)


def test_the_first_target_may_not_be_written_and_the_next_one_gets_the_token() -> None:
    w, gw = rotated(targets=2)
    ask(w)
    w.clusters["t0"].forbidden = True
    with pytest.raises(Refused, match="t0 may not be written"):
        drive(rotate(gw, w.process()))
    assert w.clusters["t1"].value != w.clusters["t0"].value
    w.clusters["t0"].forbidden = False
    settle(w, gw)
    at_rest(w, gw)


def test_all_that_went_wrong_is_said_at_once() -> None:
    w, gw = rotated(targets=3)
    w.pass_time(20 * DAY)
    w.clusters["t1"].forbidden = w.clusters["t2"].forbidden = True
    with pytest.raises(Refused) as said:
        drive(rotate(gw, w.process()))
    assert "t1 may not be written" in str(said.value) and "t2 may not be written" in str(said.value)


def ask_anybody(w: World) -> None:
    w.clusters["t1"].forbidden, kept = False, w.clusters["t1"].forbidden
    ask(w)
    w.clusters["t1"].forbidden = kept


def test_nothing_is_issued_on_a_key_whose_regeneration_may_still_arrive() -> None:
    w, gw = rotated(Revocation.BEFORE_REUSE)
    ports = w.process()
    before, current = len(w.issued), w.clusters["t0"].value.split("|")[0]

    class Late:
        patience = timedelta(seconds=10)

        async def regenerate(self, key: Key) -> None:
            raise Unavailable("no answer within 10 s")

    ask(w)
    with pytest.raises(Unavailable, match="no answer"):
        drive(rotate(gw, replace(ports, revoker=Late())))
    assert len(w.issued) == before + 1
    assert w.clusters["t0"].value.split("|")[0] == current
    at_rest(w, replace(gw, policy=replace(gw.policy, regenerate_keys=False)))


def test_an_emptied_secret_is_healed_though_another_cluster_is_away() -> None:
    """It may hold the token that nobody can issue again; but it may be away for ever."""
    w = fleet(2, deterministic=False)
    run(w)
    c = w.clusters["t0"]
    c.value, c.version, w.clusters["t1"].reachable = "", c.version + 1, False
    run(w)
    assert len(w.issued) == 1 and w.usable(c.value)
    settle(w, GW)
    at_rest(w, GW)
    assert len(w.issued) == 1


def test_a_secret_that_is_rewritten_all_the_time_is_given_up_for_now() -> None:
    w, gw = rotated()
    ask(w)

    def rewrite(_: object, call: str, after: bool) -> None:
        if (call, after) == ("observe", True):
            w.clusters["t0"].version += 1

    w.watch = rewrite
    with pytest.raises(Unavailable, match="rewrites"):
        drive(rotate(gw, w.process()))
    assert w.clusters["t0"].record and w.clusters["t0"].value == w.issued[0]


def test_a_target_that_may_not_be_written_is_in_trouble_not_in_a_fight() -> None:
    w, gw = rotated(targets=2)
    c = w.clusters["t0"]
    c.value, c.version, c.forbidden = w.mint(Key.SECONDARY, w.now + DAY), c.version + 1, True
    process = w.process()
    with pytest.raises(Refused):
        drive(rotate(gw, process))
    last = w.acts[-1]
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
    w, gw = rotated(targets=2)
    w.clusters["t1"].reachable = False
    assert drive(rotate(gw, w.process())).result is Result.UNSETTLED


def test_a_token_that_would_be_due_at_once_is_not_written() -> None:
    w, gw = rotated()
    short = replace(gw, policy=replace(gw.policy, lifetime=29 * DAY))
    ports = w.process()
    issue = ports.issuer.issue

    async def cut_short(key: Key, expires_at: datetime) -> IssuedToken:
        return await issue(key, expires_at - 20 * DAY)

    ports.issuer.issue = cut_short  # type: ignore[method-assign]
    ask(w)
    before = w.clusters["t0"].value
    with pytest.raises(Refused, match="renew_before smaller"):
        drive(rotate(short, ports))
    assert w.clusters["t0"].value == before


def test_a_cluster_that_did_not_answer_is_tried_again_while_others_roll() -> None:
    w, gw = rotated(targets=2)
    process, failures = w.process(), 0
    write = process.fleet.write

    async def fail_once(target: Target, token: IssuedToken | None, record: Record) -> None:
        nonlocal failures
        if target.name == "t1" and token and not failures:
            failures += 1
            raise Unavailable("no answer")
        await write(target, token, record)

    process.fleet.write = fail_once  # type: ignore[method-assign]
    ask(w)
    assert drive(rotate(gw, process)).result is Result.ROTATED
    assert failures == 1
    at_rest(w, gw)
