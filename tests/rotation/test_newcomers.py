"""Targets that join, and tokens that were adopted: what their pods run is taken for granted once, not for ever."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rotator.core.records import Key, Reason
from rotator.core.steps import Issue, Replace, RollBack
from rotator.rotation import Gateway, Result, rotate
from tests.rotation.dsl import (
    DAY,
    GW,
    HOUR,
    MINUTE,
    at_rest,
    fleet,
    kinds,
    rotated,
    run,
    settle,
    tokens,
)
from tests.world import Workload, World, count, drive


def test_adoption_writes_annotations_and_nothing_else() -> None:
    w = fleet(2, 2)
    run(w)
    assert kinds(w) == ["Adopt", "Rest"] and not w.restarts and not w.issued
    at_rest(w, GW)


def test_adoption_restarts_nothing_when_nobody_can_tell_the_key() -> None:
    w = fleet(2, deterministic=False)
    run(w)
    assert not w.restarts and not w.issued


def test_targets_with_different_live_tokens_wait_for_the_next_rotation() -> None:
    w = fleet(1)
    w.boot("t1", w.mint(Key.PRIMARY, w.now + 25 * DAY))
    run(w)
    assert not w.restarts and not w.issued
    w.pass_time(15 * DAY)
    run(w)
    at_rest(w, GW)
    assert len(w.issued) == 1


def test_a_target_that_appears_with_a_token_that_is_due_gets_the_current_one() -> None:
    w, gw = rotated()
    w.boot("t1", w.mint(Key.SECONDARY, w.now + 2 * DAY))
    run(w, gw)
    assert count(w, Issue) == 0
    w.pass_time(HOUR)
    at_rest(w, gw)


def test_a_target_that_appears_with_a_good_token_keeps_it_until_the_next_rotation() -> None:
    w, gw = rotated()
    w.boot("t1", w.mint(Key.SECONDARY, w.now + 20 * DAY))
    run(w, gw)
    assert kinds(w) == ["Adopt", "Rest"] and not w.restarts


def test_a_target_that_appears_in_a_freeze_is_not_restarted_while_its_token_is_good() -> None:
    w, gw = rotated()
    w.boot("t1", w.mint(Key.SECONDARY, w.now + 9 * DAY))
    w.open_window = False
    run(w, gw)
    assert "t1/w0" not in w.restarts
    settle(w, gw)
    at_rest(w, gw)


@pytest.mark.parametrize("how", ["expired", "empty"])
def test_pods_that_run_nothing_good_are_restarted_though_the_token_was_adopted(how: str) -> None:
    w = fleet(1)
    w.join("t1", how)
    run(w)
    assert not w.issued and w.restarts == {"t1/w0": 1}
    assert tokens(w, "t1") == {w.clusters["t0"].value}
    at_rest(w, GW)


def test_a_freeze_does_not_hold_up_pods_that_run_nothing_good() -> None:
    w = fleet(1)
    w.join("t1", "expired")
    w.open_window = False
    run(w)
    assert w.restarts == {"t1/w0": 1}


def test_a_pod_that_read_a_strangers_token_beside_an_adopted_one_is_replaced() -> None:
    w = fleet(1)
    run(w)
    c = w.clusters["t0"]
    (d,) = c.workloads.values()
    old = [p.name for p in d.pods]
    c.value, c.version = w.mint(Key.SECONDARY, w.now + DAY), c.version + 1
    w.evict(c, d, old[0])
    w.acts.clear()
    step = run(w)
    assert kinds(w) == ["Write", "Replace", "Rest"] and not w.restarts
    assert step and step.reason is Reason.SETTLED
    assert old[1] in {p.name for p in d.pods}, "a pod that was there at the adoption had to go"
    at_rest(w, GW)


def test_a_suspect_beside_an_adopted_token_is_told_where_nothing_may_be_evicted() -> None:
    w = fleet(1)
    gw = Gateway("gw", replace(GW.policy, replace_pods=False))
    run(w, gw)
    c = w.clusters["t0"]
    c.value, c.version = w.mint(Key.SECONDARY, w.now + DAY), c.version + 1
    w.evict(c, c.workloads["w0"], c.workloads["w0"].pods[0].name)
    step = run(w, gw)
    assert not any(isinstance(s, Replace) for s in w.acts)
    assert step and step.reason is Reason.UNSETTLED
    w.pass_time(HOUR)
    step = run(w, gw)
    assert step and step.reason is Reason.UNSETTLED
    w.evict(c, c.workloads["w0"], c.workloads["w0"].pods[0].name)
    w.pass_time(MINUTE)
    step = run(w, gw)
    assert step and step.reason is Reason.SETTLED


def test_a_pod_from_before_a_strangers_newer_token_is_no_witness_of_that_token() -> None:
    """Adopted twice: whoever set the second one by hand was to restart the pods. If they did not, it shows."""
    w = fleet(1)
    run(w)
    c = w.clusters["t0"]
    newer = w.mint(Key.PRIMARY, w.now + 29 * DAY + HOUR)
    c.value, c.version = newer, c.version + 1
    run(w)
    assert c.value == newer and not w.issued
    c.value, c.version = w.mint(Key.SECONDARY, w.now + DAY), c.version + 1
    run(w)
    assert c.value == newer and tokens(w, "t0") == {newer}


def test_a_target_that_joins_in_the_middle_of_a_fight_is_taken_over_all_the_same() -> None:
    w = fleet(1)
    run(w)
    w.restores, w.last_restored_at = 6, w.now
    w.join("t1", "other")
    run(w)
    assert w.clusters["t1"].record and not w.issued


def test_a_first_token_that_is_dead_is_replaced_not_taken_over() -> None:
    w = fleet(1)
    w.generation[Key.SECONDARY] += 1
    run(w)
    assert len(w.issued) == 1
    at_rest(w, GW)


def add_workload(w: World, stuck: bool = False) -> Workload:
    c = w.clusters["t0"]
    c.workloads["late"] = d = Workload(None, [])
    d.pods = [w.start(c, d, None) for _ in range(2)]
    d.stuck = stuck
    return d


def test_a_workload_that_joins_a_proven_target_is_waited_for_and_proven_too() -> None:
    w, gw = rotated()
    add_workload(w)
    outcome = drive(rotate(gw, w.process()))
    assert kinds(w) == ["Restart", "Verify", "Rest"] and outcome.rest.reason is Reason.SETTLED
    at_rest(w, gw)
    run(w, gw)
    assert kinds(w)[-1] == "Rest" and w.restarts == {"t0/late": 1}


def test_a_workload_that_joins_and_does_not_come_up_is_not_called_settled() -> None:
    w, gw = rotated()
    add_workload(w, stuck=True)
    for _ in range(3):
        outcome = drive(rotate(gw, w.process()))
        assert (outcome.result, outcome.rest.reason) == (Result.UNSETTLED, Reason.UNSETTLED)
        w.pass_time(HOUR)
    assert not any(isinstance(s, RollBack) for s in w.acts), "the token was proven by the others"


@pytest.mark.parametrize("how", ["expired", "empty"])
def test_a_manifest_that_was_copied_with_our_mark_proves_nothing(how: str) -> None:
    """kubectl get deployment -o yaml | kubectl apply -n elsewhere -f -"""
    w, gw = rotated()
    w.join("t1", how)
    (d,) = w.clusters["t1"].workloads.values()
    d.mark = w.clusters["t0"].value
    for p in d.pods:
        p.mark = d.mark
    run(w, gw)
    assert tokens(w, "t1") == {w.clusters["t1"].value}
    at_rest(w, gw)
