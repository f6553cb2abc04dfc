"""A leaked token is ended, whatever happens on the way."""

from __future__ import annotations

from rotator.core.records import Key
from rotator.core.steps import Issue, RollBack
from tests.rotation.dsl import (
    DAY,
    GW,
    HOUR,
    MINUTE,
    ask,
    at_rest,
    crash,
    fleet,
    rotated,
    run,
    seen_in,
    settle,
)
from tests.world import LEASE, Crash, count


def test_a_leak_ends_the_leaked_key() -> None:
    w, gw = rotated(targets=2)
    leaked = w.clusters["t0"].value
    ask(w, leak=True)
    run(w, gw)
    assert not w.alive(leaked)
    at_rest(w, gw)


def test_a_leak_outlives_a_renewal_while_a_target_is_away() -> None:
    w, gw = rotated(targets=2)
    leaked = w.clusters["t0"].value
    ask(w, leak=True)
    w.clusters["t1"].reachable = False
    run(w, gw)
    w.pass_time(20 * DAY)
    run(w, gw)
    assert w.alive(leaked) and count(w, Issue) == 2
    settle(w, gw)
    assert not w.alive(leaked)
    at_rest(w, gw)


def test_a_leak_outlives_a_secret_that_is_replaced_without_our_annotations() -> None:
    w, gw = rotated(targets=2)
    leaked = w.clusters["t0"].value
    ask(w, leak=True)
    w.clusters["t1"].reachable = False
    run(w, gw)
    for c in w.clusters.values():
        c.record, c.request, c.version = None, None, c.version + 1
    assert w.remembered == {Key.PRIMARY} and w.alive(leaked)
    w.clusters["t1"].reachable = True
    run(w, gw)
    w.pass_time(20 * DAY)
    settle(w, gw)
    assert not w.alive(leaked) and not w.remembered
    at_rest(w, gw)


def test_a_leak_outlives_a_roll_back_to_the_leaked_token() -> None:
    w, gw = rotated()
    leaked = w.clusters["t0"].value
    w.clusters["t0"].workloads["w0"].stuck = True
    ask(w, leak=True)
    run(w, gw)
    assert count(w, RollBack) == 1 and w.clusters["t0"].value == leaked
    w.remembered = frozenset()  # somebody deletes the Lease
    assert seen_in(w).condemned == {Key(leaked.split("|")[0])}
    settle(w, gw)
    assert not w.alive(leaked)
    at_rest(w, gw)


def test_a_leak_waits_for_no_window() -> None:
    w, gw = rotated(targets=2)
    leaked = w.clusters["t0"].value
    w.open_window = False
    ask(w, leak=True)
    run(w, gw)
    assert not w.alive(leaked)
    at_rest(w, gw)


def test_asking_again_forgets_no_leak() -> None:
    w, gw = rotated()
    leaked = w.clusters["t0"].value
    w.clusters["t0"].workloads["w0"].stuck = True
    ask(w, leak=True)
    run(w, gw)
    w.clusters["t0"].workloads["w0"].stuck = False
    ask(w, anew=True)
    run(w, gw)
    assert not w.alive(leaked)


def test_a_leak_in_the_middle_of_a_rollout_ends_the_tokens_that_pods_still_run() -> None:
    w, gw = rotated()
    leaked = w.clusters["t0"].value
    ask(w)
    w.schedule = {w.points + 6: [crash]}
    run(w, gw)
    w.schedule = {}
    assert {p.token for p in w.clusters["t0"].workloads["w0"].pods} == {leaked}
    assert w.clusters["t0"].value != leaked
    w.pass_time(HOUR)
    ask(w, leak=True)
    settle(w, gw)
    assert not w.alive(leaked) and not seen_in(w).condemned
    at_rest(w, gw)


def test_a_leak_ends_every_adopted_token_whatever_its_key() -> None:
    w = fleet(1)
    w.boot("t1", w.mint(Key.PRIMARY, w.now + 25 * DAY))
    run(w)
    tokens = {c.value for c in w.clusters.values()}
    ask(w, leak=True)
    settle(w, GW)
    assert not [t for t in tokens if w.alive(t)]
    at_rest(w, GW)


def test_a_leak_waits_for_no_budget_of_restarts() -> None:
    w, gw = rotated()
    d = w.clusters["t0"].workloads["w0"]
    d.restarts, d.counted_since = gw.policy.max_restarts_per_hour, w.now
    ask(w, leak=True)
    run(w, gw)
    assert w.restarts == {"t0/w0": 1}
    at_rest(w, gw)


def test_a_leak_that_the_template_has_left_already_keeps_to_the_budget() -> None:
    """Somebody says it again and again while the pods do not come up."""
    w, gw = rotated()
    w.clusters["t0"].workloads["w0"].stuck = True

    def die(_: object, call: str, after: bool) -> None:
        if (call, after) == ("restart", True):
            raise Crash

    w.watch = die
    for _ in range(9):
        ask(w, leak=True)
        run(w, gw)
        w.pass_time(LEASE + MINUTE)
    assert len(w.issued) > gw.policy.max_restarts_per_hour
    assert w.restarts == {"t0/w0": gw.policy.max_restarts_per_hour}
