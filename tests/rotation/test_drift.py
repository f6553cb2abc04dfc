"""Somebody else changes a Secret: it is put back, and pods that may have read another value are replaced."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from rotator.core.observation import Target
from rotator.core.plan import next_step
from rotator.core.records import Key, Reason, Record, Revocation
from rotator.core.steps import Issue, Replace
from rotator.errors import Unavailable
from rotator.ports import IssuedToken
from rotator.rotation import rotate
from tests.rotation.dsl import DAY, HOUR, MINUTE, ask, at_rest, fleet, kinds, rotated, run, seen_in
from tests.world import LEASE, Crash, drive


def test_helm_sets_the_secret_back_and_no_pod_restarts() -> None:
    w, gw = rotated()
    c = w.clusters["t0"]
    old = w.mint(Key.SECONDARY, w.now + 20 * DAY)
    c.value, c.version = old, c.version + 1
    names = {p.name for p in c.workloads["w0"].pods}
    run(w, gw)
    assert kinds(w)[0] == "Write" and not w.restarts and {p.name for p in c.workloads["w0"].pods} == names
    at_rest(w, gw)


def test_a_pod_that_started_on_the_strangers_token_is_replaced() -> None:
    w, gw = rotated()
    c = w.clusters["t0"]
    c.value, c.version = w.mint(Key.SECONDARY, w.now + 20 * DAY), c.version + 1
    w.evict(c, c.workloads["w0"], c.workloads["w0"].pods[0].name)
    w.pass_time(10 * timedelta(minutes=1))
    run(w, gw)
    assert not w.restarts
    at_rest(w, gw)


def test_a_pod_that_started_in_the_second_of_the_repair_is_not_trusted() -> None:
    w, gw = rotated()
    c = w.clusters["t0"]
    c.value, c.version = w.mint(Key.SECONDARY, w.now + 20 * DAY), c.version + 1
    w.evict(c, c.workloads["w0"], c.workloads["w0"].pods[0].name)
    run(w, gw)
    at_rest(w, gw)


def test_a_process_whose_clock_is_ahead_evicts_a_suspect_once() -> None:
    """What comes in its place must be trusted, or it would be evicted again and again."""
    w, gw = rotated()
    c = w.clusters["t0"]
    c.value, c.version = w.mint(Key.SECONDARY, w.now + 20 * DAY), c.version + 1
    w.evict(c, c.workloads["w0"], c.workloads["w0"].pods[0].name)
    drive(rotate(gw, w.process(timedelta(seconds=30))))
    assert sum(isinstance(s, Replace) for s in w.acts) <= 1
    at_rest(w, gw)


def test_a_strangers_newer_token_is_adopted_and_reaches_the_pods() -> None:
    w, gw = rotated()
    c = w.clusters["t0"]
    c.value, c.version = w.mint(Key.PRIMARY, w.now + 29 * DAY + HOUR), c.version + 1
    run(w, gw)
    assert "Issue" not in kinds(w)
    w.pass_time(HOUR)
    assert {p.token for p in c.workloads["w0"].pods} == {c.value}


def test_a_key_regenerated_by_a_stranger_is_seen_and_answered() -> None:
    w, gw = rotated(targets=2)
    w.generation[Key.PRIMARY] += 1
    w.open_window = False
    run(w, gw)
    assert [s.reason for s in w.acts if isinstance(s, Issue)] == [Reason.REVOKED]
    w.pass_time(HOUR)
    run(w, gw)
    at_rest(w, gw)


def test_known_limit_a_clock_minutes_behind_the_nodes_trusts_pods_it_should_not() -> None:
    """A repair is stamped by our clock, a pod's start by its node's: they may differ by half of SLACK.
    Here the stamp is older than a pod that read the stranger's token: I1 falls.
    """
    w, gw = rotated(Revocation.AFTER_VERIFY)
    c, behind = w.clusters["t0"], timedelta(minutes=-10)
    c.value, c.version = w.mint(Key.SECONDARY, w.now + 20 * DAY), c.version + 1
    w.evict(c, c.workloads["w0"], c.workloads["w0"].pods[0].name)
    w.pass_time(timedelta(minutes=3))
    with pytest.raises(AssertionError, match="I1"):
        for _ in range(5):
            drive(rotate(gw, w.process(behind)))
            w.pass_time(DAY)


def test_an_emptied_secret_gets_a_new_token_where_the_old_one_cannot_be_issued_again() -> None:
    w = fleet(1, deterministic=False)
    run(w)
    c = w.clusters["t0"]
    c.value, c.version = "", c.version + 1
    run(w)
    assert len(w.issued) == 1
    w.pass_time(HOUR)
    assert {p.token for p in c.workloads["w0"].pods} == {c.value} and w.usable(c.value)


def test_pods_are_evicted_one_at_a_time() -> None:
    w, gw = rotated()
    c = w.clusters["t0"]
    for pod in list(c.workloads["w0"].pods):
        c.value, c.version = w.mint(Key.SECONDARY, w.now + 20 * DAY), c.version + 1
        w.evict(c, c.workloads["w0"], pod.name)
    run(w, gw)
    first = next(s for s in w.acts if isinstance(s, Replace))
    load = first.target.workloads[0]
    assert len(load.pods) == 2 and all(p.works for p in load.pods)
    going = replace(load, pods=tuple(replace(p, leaving=p is first.pod) for p in load.pods))
    seen = replace(seen_in(w), targets=(replace(first.target, workloads=(going,)),))
    assert not isinstance(next_step(seen, gw.policy, w.now), Replace)


def test_a_repair_that_lies_in_the_future_is_proven_once() -> None:
    """The process that repaired had a clock a few seconds ahead, or an API server's was set back."""
    w, gw = rotated()
    c = w.clusters["t0"]
    assert c.record
    pods = frozenset(p.name for p in c.workloads["w0"].pods)
    c.record = replace(c.record, restored_at=w.now + MINUTE, verified_pods=pods)
    run(w, gw)
    assert [type(s).__name__ for s in w.acts] == ["Verify", "Rest"]


def test_a_step_that_does_not_last_is_given_up_for_now() -> None:
    """Something takes away whatever is written, and says it was."""
    w, gw = rotated()
    process, written = w.process(), 0

    async def forget(target: Target, token: IssuedToken | None, record: Record) -> None:
        nonlocal written
        written += 1

    process.fleet.write = forget  # type: ignore[method-assign]
    ask(w)
    with pytest.raises(Unavailable, match="Issue t0 was done 20 times and does not last"):
        drive(rotate(gw, process))
    assert written == 20


def test_a_token_that_a_template_names_already_is_not_issued_again_though_the_notes_are_gone() -> None:
    """Pods came up under its mark and read what a stranger had put there meanwhile."""
    w, gw = rotated()
    ask(w)
    run(w, gw)  # so that the next one is of the key that a first token is of
    c, now = w.clusters["t0"], w.now
    ask(w)
    w.watch = lambda _, call, after: steal() if (call, after) == ("restart", True) else None

    def steal() -> None:
        c.value, c.record, c.request, c.version = "", None, None, c.version + 1
        raise Crash

    run(w, gw)
    w.watch = None
    mark = c.workloads["w0"].mark
    w.pass_time(LEASE + MINUTE)
    drive(rotate(gw, w.process(now - w.now)))  # its clock is behind: it is in the minute of the first one
    assert mark and c.value != mark
    at_rest(w, gw)


def test_our_own_token_that_comes_back_without_our_notes_proves_no_pod() -> None:
    """A GitOps tool had another one there meanwhile, and a pod read it."""
    w, gw = rotated()
    c, ours = w.clusters["t0"], w.clusters["t0"].value
    strange = w.mint(Key.SECONDARY, w.now + 20 * DAY)
    c.value, c.version = strange, c.version + 1
    w.evict(c, c.workloads["w0"], c.workloads["w0"].pods[0].name)
    c.value, c.record, c.request, c.version = ours, None, None, c.version + 1
    run(w, gw)
    assert strange not in {p.token for p in c.workloads["w0"].pods} and not w.restarts
    at_rest(w, gw)
