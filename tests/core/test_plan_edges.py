"""Rules of the plan that the real world added to the prototype's."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from rotator.core.observation import Observation, UnobservedTarget, Workload
from rotator.core.plan import next_step
from rotator.core.policy import Policy
from rotator.core.records import Key, Reason, Revocation
from rotator.core.renewal import targets_with_expiry
from rotator.core.steps import Await, Issue, Replace, Rest, Restart, RollBack, Verify
from rotator.core.verification import key_is_unused, moving
from rotator.rotation import Noted
from tests.rotation.dsl import DAY, GW, HOUR, ask, crash, fleet, rotated, run, seen_in
from tests.rotation.scenes import happen
from tests.world import World


def with_workloads(seen: Observation, *workloads: Workload, misconfiguration: str = "") -> Observation:
    return replace(
        seen, targets=(replace(seen.targets[0], workloads=workloads, misconfiguration=misconfiguration),)
    )


def test_a_workload_without_pods_on_purpose_neither_waits_nor_proves() -> None:
    w, _ = rotated()
    ask(w)
    w.clusters["t0"].workloads["w0"].pods.clear()
    seen = seen_in(w)
    idle = replace(seen.targets[0].workloads[0], idle=True, pods=())
    assert isinstance(
        next_step(with_workloads(seen, idle, misconfiguration="scaled to zero"), GW.policy, w.now), Issue
    )
    run_until_written = replace(seen.targets[0], request=None)
    step = next_step(
        with_workloads(replace(seen, targets=(run_until_written,)), idle, misconfiguration="scaled to zero"),
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


def unproven(w: World) -> Observation:
    """A target whose pods all run the current token, which nobody has noted yet."""
    c = w.clusters["t0"]
    assert c.record
    c.record = replace(c.record, verified_at=None)
    d = c.workloads["w0"]
    d.restarted_at = w.now
    return seen_in(w)


def test_a_flawed_target_is_neither_proven_nor_waited_for() -> None:
    """Its workloads are as good as they will get; something else is missing."""
    w, _ = rotated()
    seen = unproven(w)
    loads = seen.targets[0].workloads
    assert isinstance(next_step(with_workloads(seen, *loads), GW.policy, w.now), Verify)
    flawed = with_workloads(seen, *loads, misconfiguration="deployment/gone does not exist")
    assert isinstance(next_step(flawed, GW.policy, w.now), Rest)


def test_a_flawed_target_is_waited_for_while_its_other_workloads_roll() -> None:
    w, _ = rotated()
    seen = unproven(w)
    rolling = replace(seen.targets[0].workloads[0], complete=False)
    assert isinstance(
        next_step(with_workloads(seen, rolling, misconfiguration="gone"), GW.policy, w.now), Await
    )


def test_a_flawed_target_does_not_hold_up_the_others() -> None:
    w = fleet(2)
    run(w)
    ask(w)
    drive_until_restarted(w)
    seen = seen_in(w)
    first = replace(seen.targets[0], misconfiguration="gone", workloads=())
    step = next_step(replace(seen, targets=(first, *seen.targets[1:])), GW.policy, w.now)
    assert isinstance(step, Restart) and step.target.name == "t1"


def drive_until_restarted(w: World) -> None:
    w.schedule = {w.points + 20: [crash]}
    run(w)
    w.schedule = {}
    assert w.restarts == {"t0/w0": 1}


def broken(seen: Observation, what: str) -> Observation:
    """Return seen with one of the conditions for a regenerate not met."""
    t = seen.targets[1]
    assert t.record
    decision = t.record.decision
    match what:
        case "unreachable":
            return replace(seen, unreachable=(UnobservedTarget("t2", "away"),))
        case "unverified":
            t = replace(t, record=replace(t.record, verified_at=None))
        case "an older decision":
            t = replace(
                t, record=replace(t.record, decision=replace(decision, revision=decision.revision - 1))
            )
        case "a pod of the old template":
            old = replace(t.workloads[0].pods[0], mark=None)
            t = replace(t, workloads=(replace(t.workloads[0], pods=(old,)),))
        case "a pod that does not work":
            sick = replace(t.workloads[0].pods[0], works=False)
            t = replace(t, workloads=(replace(t.workloads[0], pods=(sick,)),))
        case "flawed":
            t = replace(t, misconfiguration="deployment/gone does not exist")
        case "in trouble":
            t = replace(t, excluded_because="it may not be written")
        case "drifted":
            t = replace(t, fingerprint="a stranger's")
        case "signed by the very key":
            return replace(seen, signers=dict.fromkeys(seen.signers, Key.SECONDARY))
        case "nobody could be asked":
            return replace(seen, signers={})
    return replace(seen, targets=(seen.targets[0], t))


@pytest.mark.parametrize(
    "what",
    [
        "unreachable",
        "unverified",
        "an older decision",
        "a pod of the old template",
        "a pod that does not work",
        "flawed",
        "in trouble",
        "drifted",
        "signed by the very key",
        "nobody could be asked",
    ],
)
def test_a_key_is_settled_only_if_everything_is_as_it_should(what: str) -> None:
    """I1 rests on this one rule."""
    w, _ = rotated(targets=2)
    seen = seen_in(w)
    assert key_is_unused(seen, Key.SECONDARY)
    assert not key_is_unused(broken(seen, what), Key.SECONDARY)


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
    assert targets_with_expiry(seen_in(w), old) == []


def test_an_adopted_fleet_counts_as_settled() -> None:
    w = fleet(2)
    rest = run(w)
    assert rest and rest.reason is Reason.SETTLED


def test_an_expired_previous_token_is_nobodys_reason_to_regenerate_a_key() -> None:
    w, gw = rotated(Revocation.AFTER_VERIFY)
    w.pass_time(30 * DAY)
    run(w, gw)
    w.pass_time(2 * DAY)
    run(w, gw)
    assert w.revoked == []


def test_rest_never_lasts_longer_than_look_every() -> None:
    """A suspended host or a set clock costs at most this much."""
    w, _ = rotated()
    rest = run(w)
    assert rest and rest.until == w.now + Policy().look_every


@pytest.mark.parametrize("life", [timedelta(days=30), timedelta(days=31)])
def test_a_policy_never_asks_for_the_longest_life(life: timedelta) -> None:
    with pytest.raises(ValueError, match="30 days"):
        Policy(lifetime=life)


def test_pods_that_were_there_at_the_proof_are_trusted_after_a_repair_however_young() -> None:
    """Clocks do not matter: no container reads a Secret twice."""
    w, gw = rotated()
    c = w.clusters["t0"]
    for pod in c.workloads["w0"].pods:
        pod.started_at = w.now
    happen(w, gw, "set-back", 0)
    rest = run(w, gw)
    assert rest and rest.reason is Reason.SETTLED
    assert [type(s).__name__ for s in w.acts] == ["Write", "Verify", "Rest"]


def in_mid_rollout() -> World:
    """A process died while it waited for the rollout that it had begun."""
    for point in range(1, 40):
        w, _ = rotated()
        ask(w)
        w.schedule = {w.points + point: [crash]}
        run(w)
        w.schedule = {}
        w.leader = None
        if isinstance(next_step(seen_in(w), GW.policy, w.now), Await):
            assert w.restarts == {"t0/w0": 1}
            return w
    raise AssertionError("no crash point in mid-rollout")


def test_a_request_during_a_healthy_rollout_waits_for_it_and_is_then_answered() -> None:
    w = in_mid_rollout()
    assert ask(w) is Noted.ACCEPTED
    w.acts.clear()
    run(w)
    steps = [type(s).__name__ for s in w.acts if not isinstance(s, Await)]
    assert steps == ["Verify", "Issue", "Restart", "Verify", "Rest"]


def test_a_leak_does_not_wait_for_a_rollout() -> None:
    w = in_mid_rollout()
    ask(w, leak=True)
    assert isinstance(next_step(seen_in(w), GW.policy, w.now), Issue)


def test_a_workload_that_we_just_restarted_is_moving_not_sick() -> None:
    """A token that must be replaced in the middle of its rollout does not strand the gateway."""
    w = in_mid_rollout()
    w.generation[Key.SECONDARY] += 1
    w.acts.clear()
    run(w)
    steps = [type(s).__name__ for s in w.acts if not isinstance(s, Await)]
    assert steps == ["Issue", "Restart", "Verify", "Rest"]


def test_a_token_that_was_there_before_is_not_issued_again() -> None:
    """Within one minute Azure gives the same token for the same key."""
    w, gw = rotated()
    seen = set()
    for _ in range(3):
        now = w.now
        ask(w)
        run(w, gw)
        seen.add(w.clusters["t0"].value)
        w.now = now
    assert len(seen) == 3


def test_a_flawed_target_is_unsettled_even_if_it_was_only_adopted() -> None:
    w = fleet(1)
    run(w)
    seen = seen_in(w)
    step = next_step(
        with_workloads(seen, misconfiguration="deployment/nope does not exist"), GW.policy, w.now
    )
    assert isinstance(step, Rest) and step.reason is Reason.UNSETTLED


def test_a_workload_whose_restart_failed_is_sick_not_moving() -> None:
    w = in_mid_rollout()
    (load,) = seen_in(w).targets[0].workloads
    assert moving(load, GW.policy, w.now)
    assert not moving(replace(load, failed=True), GW.policy, w.now)


def test_while_a_target_is_away_the_next_look_is_soon() -> None:
    w, _ = rotated(targets=2)
    policy = replace(GW.policy, look_every=6 * HOUR, renew_before=2 * DAY, panic_before=DAY)
    step = next_step(seen_in(w), policy, w.now)
    assert isinstance(step, Rest) and step.until == w.now + policy.look_every
    w.clusters["t1"].reachable = False
    step = next_step(seen_in(w), policy, w.now)
    assert isinstance(step, Rest) and step.until == w.now + policy.recheck
