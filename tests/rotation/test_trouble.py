"""What cannot be done in one place holds up no other."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from rotator.core.steps import Issue
from rotator.core.words import Key, Revocation
from rotator.errors import Refused, Unavailable
from rotator.rotation import rotate
from tests.rotation.stories import DAY, ask, at_rest, rotated, run, seen_in, settle
from tests.world import World, count, drive


def test_a_key_that_may_not_be_regenerated_before_its_reuse_holds_up_no_renewal() -> None:
    w, gw = rotated(Revocation.BEFORE_REUSE)
    w.revocable, before = False, len(w.issued)
    ask(w)
    with pytest.raises(Refused, match="not allowed"):
        drive(rotate(gw, w.process()))
    assert len(w.issued) == before + 1
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
