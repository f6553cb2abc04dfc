"""A token that pods do not come up with gives way to the one before."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from rotator.core.observation import Observation
from rotator.core.plan import next_step
from rotator.core.records import Reason
from rotator.core.steps import Issue, Replace, Rest, RollBack, Step
from rotator.errors import Refused
from rotator.rotation import Result, rotate
from tests.rotation.dsl import (
    DAY,
    HOUR,
    MINUTE,
    ask,
    at_rest,
    fleet,
    kinds,
    rotated,
    run,
    said_at_rest,
    seen_in,
    settle,
)
from tests.world import count, drive


def test_a_failed_rollout_goes_back_to_the_old_replicaset_without_new_pods() -> None:
    for adopted in (True, False):
        w = fleet(1)
        run(w)
        if not adopted:
            w, _ = rotated()
        d = w.clusters["t0"].workloads["w0"]
        before, mark, d.stuck = {p.name for p in d.pods}, d.mark, True
        ask(w)
        run(w)
        assert count(w, RollBack) == 1 and d.mark == mark
        w.pass_time(timedelta(minutes=10))
        assert {p.name for p in d.pods} == before


def test_a_rollout_that_always_fails_backs_off() -> None:
    """31 days: a handful of tokens, not hundreds; nothing expires in the pods that serve."""
    w, gw = rotated(targets=2)
    w.clusters["t1"].workloads["w0"].stuck = True
    w.pass_time(18 * DAY)
    for _ in range(24 * 8):
        run(w, gw)
        w.pass_time(HOUR)
    assert 2 <= count(w, RollBack) <= 14, count(w, RollBack)
    assert count(w, Issue) <= count(w, RollBack) + 1


def test_each_failure_in_a_row_doubles_the_wait() -> None:
    w, gw = rotated()
    w.clusters["t0"].workloads["w0"].stuck = True
    waits = []
    for n in (1, 2, 3):
        ask(w, anew=True)
        run(w, gw)
        record = w.clusters["t0"].record
        assert record and record.decision.failures == n
        assert record.decision.retry_at and record.restored_at
        waits.append(record.decision.retry_at - record.restored_at)
        w.pass_time(waits[-1])
    assert waits == [HOUR / 2, HOUR, 2 * HOUR]


def test_previous_no_longer_good_means_stay() -> None:
    w, gw = rotated()
    d = w.clusters["t0"].workloads["w0"]
    d.stuck = True
    w.generation = {k: g + 1 for k, g in w.generation.items()}
    for _ in range(48):
        run(w, gw)
        w.pass_time(HOUR)
    assert count(w, RollBack) == 0 and count(w, Issue) == 1
    d.stuck = False
    settle(w, gw)
    at_rest(w, gw)


def test_an_ordered_workload_rolled_back_to_its_first_token_gets_rid_of_the_broken_pod() -> None:
    """Nothing is to be proven of an adopted token, but its controller waits for the pod for ever."""
    w = fleet(1)
    run(w)
    d = w.clusters["t0"].workloads["w0"]
    d.ordered = d.stuck = True
    ask(w)
    run(w)
    d.stuck = False
    w.pass_time(10 * timedelta(minutes=1))
    run(w)
    w.pass_time(10 * timedelta(minutes=1))
    assert count(w, RollBack) == 1 and all(p.works and p.mark is None for p in d.pods)


def test_a_broken_pod_of_an_ordered_workload_does_not_hold_up_the_next_token() -> None:
    """Its controller waits for the pod, and a sick workload waits with its restart: nobody would move."""
    w, gw = rotated()
    d = w.clusters["t0"].workloads["w0"]
    d.ordered, d.pods[0].mark, d.pods[0].works = True, "an older one", False
    ask(w)
    run(w, gw)
    at_rest(w, gw)


def test_a_broken_pod_is_left_to_a_controller_that_replaces_it_itself() -> None:
    w, gw = rotated()
    d = w.clusters["t0"].workloads["w0"]
    d.pods[0].mark, d.pods[0].works = "an older one", False
    run(w, gw)
    assert not any(isinstance(s, Replace) for s in w.acts)


def test_a_roll_back_names_each_target_that_failed() -> None:
    w, gw = rotated(targets=2)
    gw = replace(gw, policy=replace(gw.policy, max_unavailable_targets=2))
    for c in w.clusters.values():
        c.workloads["w0"].stuck = True
    ask(w)
    outcome = drive(rotate(gw, w.process()))
    assert outcome.result is Result.ROLLED_BACK
    reason, text = said_at_rest(w, gw)
    assert reason is Reason.ROLLED_BACK
    assert text.startswith(
        "the rollout failed once and was put back; a new token (Requested) is tried after"
    ) or ("everything runs" in text)
    step = next(s for s in w.acts if isinstance(s, RollBack))
    assert step.decision.retry_at and step.decision.retry_at > w.now


def test_an_ordered_workload_that_is_stuck_is_freed() -> None:
    w, gw = rotated()
    d = w.clusters["t0"].workloads["w0"]
    d.ordered = d.stuck = True
    ask(w)
    run(w, gw)
    assert count(w, RollBack) == 1 and "Replace" in kinds(w)
    assert [p for p in d.pods if p.mark != d.mark] == []


def test_a_pod_that_is_leaving_is_not_evicted_again() -> None:
    w, gw = rotated()
    d = w.clusters["t0"].workloads["w0"]
    d.ordered = d.stuck = True
    ask(w)
    run(w, gw)
    (step,) = {s.pod.name: s for s in w.acts if isinstance(s, Replace)}.values()
    load = next(x for x in step.target.workloads if step.pod in x.pods)
    gone = replace(load, pods=tuple(replace(p, leaving=p.name == step.pod.name) for p in load.pods))
    seen = replace(seen_in(w), targets=(replace(step.target, workloads=(gone,)),))
    assert not isinstance(next_step(seen, gw.policy, w.now), Replace)
    still = replace(seen, targets=(step.target,))
    assert isinstance(next_step(still, gw.policy, w.now), Replace)


def test_a_failed_token_goes_no_further_although_it_cannot_be_put_back() -> None:
    w, gw = rotated(targets=2)
    ports = w.process()
    w.clusters["t0"].workloads["w0"].stuck = True
    ask(w)

    decided = ports.reporter.decided

    def spoil(step: Step, seen: Observation, now: datetime) -> None:
        w.clusters["t0"].forbidden = w.clusters["t0"].forbidden or isinstance(step, RollBack)
        decided(step, seen, now)

    ports.reporter.decided = spoil  # type: ignore[method-assign]
    before = len(w.issued)
    with pytest.raises(Refused, match="t0 may not be written"):
        drive(rotate(gw, ports))
    assert "t1/w0" not in w.restarts
    with suppress(Refused):
        drive(rotate(gw, ports))
    assert len(w.issued) == before + 1


def test_a_rollout_that_failed_is_not_waited_for() -> None:
    """Kubernetes knows it before our own time is up."""
    w, gw = rotated()
    d = w.clusters["t0"].workloads["w0"]
    d.stuck, began = True, w.now

    def fail(_: object, call: str, after: bool) -> None:
        d.failed = d.failed or (call, after) == ("restart", True)

    w.watch = fail
    ask(w)
    run(w, gw)
    record = w.clusters["t0"].record
    assert count(w, RollBack) == 1 and record and record.restored_at
    assert record.restored_at - began < gw.policy.rollout_timeout


def test_a_success_ends_the_count_of_failures() -> None:
    w, gw = rotated()
    d = w.clusters["t0"].workloads["w0"]
    for stuck, failures in ((True, 1), (False, 1), (False, 0), (True, 1)):
        d.stuck = stuck
        ask(w, anew=True)
        run(w, gw)
        record = w.clusters["t0"].record
        assert record and record.decision.failures == failures
        w.pass_time(DAY)


def test_the_next_try_is_made_before_the_token_that_came_back_is_about_to_end() -> None:
    w, gw = rotated()
    c = w.clusters["t0"]
    c.workloads["w0"].stuck = True
    last_call = w.expiry(c.value) - gw.policy.panic_before
    w.pass_time(last_call - w.now - 20 * MINUTE)
    run(w, gw)
    assert count(w, RollBack) == 1 and c.record and c.record.decision.retry_at == last_call


def test_old_pods_that_take_long_to_end_are_no_reason_to_roll_back() -> None:
    """A grace period longer than rollout_timeout, or a node that is gone: told, not undone."""
    w, gw = rotated()
    ask(w)
    run(w, gw)
    seen = seen_in(w)
    (t,), c = seen.targets, w.clusters["t0"]
    assert t.record and c.record
    load = t.workloads[0]
    old = replace(load.pods[0], name="old", mark="an older one", instance="old", leaving=True)
    unproven = replace(t.record, verified_at=None)
    slow = replace(t, record=unproven, workloads=(replace(load, pods=(*load.pods, old)),))
    later = w.now + 2 * gw.policy.rollout_timeout
    step = next_step(replace(seen, targets=(slow,)), gw.policy, later)
    assert isinstance(step, Rest) and step.reason is Reason.UNSETTLED
    broken = replace(load.pods[0], works=False)
    failed = replace(slow, workloads=(replace(load, pods=(broken, old)),))
    assert isinstance(next_step(replace(seen, targets=(failed,)), gw.policy, later), RollBack)
