"""Rules of the plan that the real world added to the prototype's."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from rotator.core.due import concerned
from rotator.core.plan import next_step
from rotator.core.policy import Policy
from rotator.core.seen import Observed, Workload
from rotator.core.steps import Await, Issue, Replace, Rest, Restart, RollBack, Verify
from rotator.core.words import Reason, Revocation
from rotator.rotation import look
from tests.rotation.test_rotation import DAY, GW, ask, fleet, happen, rotated, run
from tests.world import START, Crash, World, drive


def crash() -> None:
    raise Crash


def seen_in(w: World) -> Observed:
    return drive(look(w.process()))


def with_workloads(seen: Observed, *workloads: Workload, flaw: str = "") -> Observed:
    return replace(seen, targets=(replace(seen.targets[0], workloads=workloads, flaw=flaw),))


def test_a_workload_without_pods_on_purpose_neither_waits_nor_proves() -> None:
    w, _ = rotated()
    ask(w)
    w.clusters["t0"].workloads["w0"].pods.clear()
    seen = seen_in(w)
    idle = replace(seen.targets[0].workloads[0], idle=True, pods=())
    assert isinstance(next_step(with_workloads(seen, idle, flaw="scaled to zero"), GW.policy, w.now), Issue)
    run_until_written = replace(seen.targets[0], request=None)
    step = next_step(
        with_workloads(replace(seen, targets=(run_until_written,)), idle, flaw="scaled to zero"),
        GW.policy,
        w.now,
    )
    assert isinstance(step, Rest)


def test_an_idle_workload_beside_a_working_one_does_not_keep_it_from_being_proven() -> None:
    w, _ = rotated()
    c = w.clusters["t0"]
    assert c.record
    c.record = replace(c.record, verified_at=None)
    seen = seen_in(w)
    busy = seen.targets[0].workloads[0]
    idle = replace(busy, name="deployment/idle", idle=True, pods=())
    assert isinstance(next_step(with_workloads(seen, busy, idle), GW.policy, w.now), Verify)


def test_a_flawed_target_is_never_verified_and_does_not_hold_up_the_others() -> None:
    w, _ = rotated(targets=2)
    ask(w)
    for _ in range(3):
        step = next_step(seen_in(w), GW.policy, w.now)
        if isinstance(step, Restart):
            break
        run(w)
    seen = seen_in(w)
    bad = replace(seen.targets[0], flaw="deployment/gone does not exist", workloads=())
    assert not isinstance(
        next_step(replace(seen, targets=(bad, *seen.targets[1:])), GW.policy, w.now), Await | Verify
    )


def test_a_rollout_that_is_not_complete_is_not_proven_though_all_its_pods_work() -> None:
    w, _ = rotated()
    c = w.clusters["t0"]
    assert c.record
    c.record = replace(c.record, verified_at=None)
    seen = seen_in(w)
    busy = replace(seen.targets[0].workloads[0], complete=False, restarted_at=w.now)
    assert isinstance(next_step(with_workloads(seen, busy), GW.policy, w.now), Await)


def test_without_roll_back_a_failed_rollout_rests_and_the_others_keep_their_old_token() -> None:
    w = fleet(2)
    gw = replace(GW, policy=replace(GW.policy, roll_back=False))
    run(w, gw)
    w.clusters["t0"].workloads["w0"].stuck = True
    ask(w)
    rest = run(w, gw)
    assert rest and rest.reason is Reason.UNSETTLED
    assert w.restarts == {"t0/w0": 1}
    assert not any(isinstance(s, RollBack) for s in w.acts)
    w.clusters["t0"].workloads["w0"].stuck = False
    w.pass_time(timedelta(hours=1))
    rest = run(w, gw)
    assert rest and rest.reason is Reason.SETTLED
    assert w.restarts == {"t0/w0": 1, "t1/w0": 1}


def test_without_eviction_a_suspect_pod_is_told_and_left() -> None:
    w, _ = rotated()
    gw = replace(GW, policy=replace(GW.policy, replace_pods=False))
    happen(w, gw, "set-back", 0)
    happen(w, gw, "evict", 0)
    w.pass_time(timedelta(minutes=10))
    rest = run(w, gw)
    assert rest and rest.reason is Reason.UNSETTLED
    assert not any(isinstance(s, Replace) for s in w.acts)


def test_a_rollout_that_ended_well_while_nobody_looked_is_proven_not_rolled_back() -> None:
    w, gw = rotated()
    ask(w)
    w.schedule = {w.points + 12: [crash]}
    run(w, gw)
    assert w.restarts == {"t0/w0": 1}
    w.schedule = {}
    w.pass_time(timedelta(hours=1))
    w.acts.clear()
    run(w, gw)
    assert [type(s) for s in w.acts] == [Verify, Rest]


def test_an_event_that_comes_before_the_adoption_is_not_lost() -> None:
    """I8: the request is older than our record of the token, but not than the token."""
    w = fleet(1, life=25 * DAY)
    ask(w, expires_at=w.expiry(w.clusters["t0"].value))
    w.pass_time(timedelta(seconds=5))
    run(w)
    assert [s.reason for s in w.acts if isinstance(s, Issue)] == [Reason.REQUESTED]


def test_a_complaint_about_a_target_that_only_lags_is_stale() -> None:
    w, _ = rotated(targets=2)
    old = w.expiry(w.clusters["t1"].value)
    w.pass_time(timedelta(hours=1))
    w.clusters["t1"].reachable = False
    ask(w)
    run(w)
    w.clusters["t1"].reachable = True
    assert concerned(seen_in(w), old) == []


def test_an_adopted_fleet_counts_as_settled() -> None:
    w = fleet(2)
    rest = run(w)
    assert rest and rest.reason is Reason.SETTLED


def test_an_expired_previous_token_is_nobodys_reason_to_regenerate_a_key() -> None:
    w, gw = rotated(Revocation.AFTER_VERIFY)
    w.pass_time(30 * DAY)
    run(w, gw)
    assert w.generation["secondary"] == 0  # type: ignore[index]  # Key is a str


def test_rest_never_lasts_longer_than_look_every() -> None:
    """A suspended host or a set clock costs at most this much."""
    w, _ = rotated()
    rest = run(w)
    assert rest and rest.until == w.now + Policy().look_every


@pytest.mark.parametrize("life", [timedelta(days=30), timedelta(days=31)])
def test_a_policy_never_asks_for_the_longest_life(life: timedelta) -> None:
    with pytest.raises(ValueError, match="30 days"):
        Policy(lifetime=life)


def test_start_is_utc() -> None:
    assert START.tzinfo is not None
