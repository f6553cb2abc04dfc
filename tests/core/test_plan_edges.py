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
from rotator.core.rollout import was_just_restarted
from rotator.core.situation import Situation
from rotator.core.steps import Await, Issue, Replace, Rest, Restart, RollBack, Verify
from rotator.core.verification import key_is_unused
from rotator.rotation import Noted
from tests.rotation.dsl import (
    DAY,
    GATEWAY,
    HOUR,
    crash_after,
    fleet,
    observed,
    request_rotation,
    rotated,
    run,
)
from tests.rotation.events import Event
from tests.rotation.random_events import happen
from tests.world import World


def with_workloads(observation: Observation, *workloads: Workload, misconfiguration: str = "") -> Observation:
    return replace(
        observation,
        targets=(replace(observation.targets[0], workloads=workloads, misconfiguration=misconfiguration),),
    )


def test_a_workload_without_pods_on_purpose_neither_waits_nor_proves() -> None:
    world, _ = rotated()
    request_rotation(world)
    world.targets["t0"].workloads["w0"].pods.clear()
    observation = observed(world)
    idle = replace(observation.targets[0].workloads[0], idle=True, pods=())
    assert isinstance(
        next_step(
            Situation(
                with_workloads(observation, idle, misconfiguration="scaled to zero"),
                GATEWAY.policy,
                world.now,
            )
        ),
        Issue,
    )
    run_until_written = replace(observation.targets[0], request=None)
    written = replace(observation, targets=(run_until_written,))
    scaled = with_workloads(written, idle, misconfiguration="scaled to zero")
    step = next_step(Situation(scaled, GATEWAY.policy, world.now))
    assert isinstance(step, Rest)


def test_an_idle_workload_beside_a_working_one_does_not_keep_it_from_being_proven() -> None:
    world, _ = rotated()
    target = world.targets["t0"]
    assert target.record
    target.record = replace(target.record, verified_at=None)
    observation = observed(world)
    busy = observation.targets[0].workloads[0]
    idle = replace(busy, name="deployment/idle", idle=True, pods=())
    assert isinstance(
        next_step(Situation(with_workloads(observation, busy, idle), GATEWAY.policy, world.now)), Verify
    )


def unproven(world: World) -> Observation:
    """A target whose pods all run the current token, which is not noted yet."""
    target = world.targets["t0"]
    assert target.record
    target.record = replace(target.record, verified_at=None)
    workload = target.workloads["w0"]
    workload.restarted_at = world.now
    return observed(world)


def test_a_flawed_target_is_neither_proven_nor_waited_for() -> None:
    """Its workloads are as good as they will get; something else is missing."""
    world, _ = rotated()
    observation = unproven(world)
    loads = observation.targets[0].workloads
    assert isinstance(
        next_step(Situation(with_workloads(observation, *loads), GATEWAY.policy, world.now)), Verify
    )
    flawed = with_workloads(observation, *loads, misconfiguration="deployment/gone does not exist")
    assert isinstance(next_step(Situation(flawed, GATEWAY.policy, world.now)), Rest)


def test_a_flawed_target_is_waited_for_while_its_other_workloads_roll() -> None:
    world, _ = rotated()
    observation = unproven(world)
    rolling = replace(observation.targets[0].workloads[0], complete=False)
    assert isinstance(
        next_step(
            Situation(
                with_workloads(observation, rolling, misconfiguration="gone"), GATEWAY.policy, world.now
            )
        ),
        Await,
    )


def test_a_flawed_target_does_not_hold_up_the_others() -> None:
    world = fleet(2)
    run(world)
    request_rotation(world)
    drive_until_restarted(world)
    observation = observed(world)
    first = replace(observation.targets[0], misconfiguration="gone", workloads=())
    step = next_step(
        Situation(replace(observation, targets=(first, *observation.targets[1:])), GATEWAY.policy, world.now)
    )
    assert isinstance(step, Restart) and step.target.name == "t1"


def drive_until_restarted(world: World) -> None:
    world.at_call = crash_after("restart")
    run(world)
    assert world.restarts == {"t0/w0": 1}


def broken(observation: Observation, what: str) -> Observation:
    """Return the observation with one of the conditions for a regenerate not met."""
    target = observation.targets[1]
    assert target.record
    decision = target.record.decision
    match what:
        case "unreachable":
            return replace(observation, unreachable=(UnobservedTarget("t2", "away"),))
        case "unverified":
            target = replace(target, record=replace(target.record, verified_at=None))
        case "an older decision":
            target = replace(
                target,
                record=replace(target.record, decision=replace(decision, revision=decision.revision - 1)),
            )
        case "a pod of the old template":
            old = replace(target.workloads[0].pods[0], pod_token=None)
            target = replace(target, workloads=(replace(target.workloads[0], pods=(old,)),))
        case "a pod that does not work":
            unhealthy = replace(target.workloads[0].pods[0], works=False)
            target = replace(target, workloads=(replace(target.workloads[0], pods=(unhealthy,)),))
        case "flawed":
            target = replace(target, misconfiguration="deployment/gone does not exist")
        case "excluded":
            target = replace(target, excluded_because="it may not be written")
        case "drifted":
            target = replace(target, fingerprint="other")
        case "signed by the very key":
            return replace(observation, signers=dict.fromkeys(observation.signers, Key.SECONDARY))
        case "the issuer could not be asked":
            return replace(observation, signers={})
    return replace(observation, targets=(observation.targets[0], target))


@pytest.mark.parametrize(
    "what",
    [
        "unreachable",
        "unverified",
        "an older decision",
        "a pod of the old template",
        "a pod that does not work",
        "flawed",
        "excluded",
        "drifted",
        "signed by the very key",
        "the issuer could not be asked",
    ],
)
def test_a_key_is_settled_only_if_everything_is_as_it_should(what: str) -> None:
    """I1 rests on this one rule."""
    world, _ = rotated(targets=2)
    observation = observed(world)
    assert key_is_unused(observation, Key.SECONDARY)
    assert not key_is_unused(broken(observation, what), Key.SECONDARY)


def test_a_rollout_that_is_not_complete_is_not_proven_though_all_its_pods_work() -> None:
    world, _ = rotated()
    target = world.targets["t0"]
    assert target.record
    target.record = replace(target.record, verified_at=None)
    observation = observed(world)
    busy = replace(observation.targets[0].workloads[0], complete=False, restarted_at=world.now)
    assert isinstance(
        next_step(Situation(with_workloads(observation, busy), GATEWAY.policy, world.now)), Await
    )


def test_without_roll_back_a_failed_rollout_rests_and_the_others_keep_their_old_token() -> None:
    world = fleet(2)
    gateway = replace(GATEWAY, policy=replace(GATEWAY.policy, roll_back=False))
    run(world, gateway)
    world.targets["t0"].workloads["w0"].stuck = True
    request_rotation(world)
    rest = run(world, gateway)
    assert rest and rest.reason is Reason.UNSETTLED
    assert world.restarts == {"t0/w0": 1}
    assert not any(isinstance(step, RollBack) for step in world.steps)
    world.targets["t0"].workloads["w0"].stuck = False
    world.pass_time(timedelta(hours=1))
    rest = run(world, gateway)
    assert rest and rest.reason is Reason.SETTLED
    assert world.restarts == {"t0/w0": 1, "t1/w0": 1}


def test_without_eviction_a_suspect_pod_is_told_and_left() -> None:
    world, _ = rotated()
    gateway = replace(GATEWAY, policy=replace(GATEWAY.policy, replace_pods=False))
    happen(world, gateway, Event.SECRET_SET_BACK, 0)
    happen(world, gateway, Event.POD_RESTARTS, 0)
    world.pass_time(timedelta(minutes=10))
    rest = run(world, gateway)
    assert rest and rest.reason is Reason.UNSETTLED
    assert not any(isinstance(step, Replace) for step in world.steps)


def test_a_rollout_that_ended_well_between_two_looks_is_proven_not_rolled_back() -> None:
    world, gateway = rotated()
    request_rotation(world)
    world.at_call = crash_after("restart")
    run(world, gateway)
    assert world.restarts == {"t0/w0": 1}
    world.pass_time(timedelta(hours=1))
    world.steps.clear()
    run(world, gateway)
    assert [type(step) for step in world.steps] == [Verify, Rest]


def test_an_event_that_comes_before_the_adoption_is_not_lost() -> None:
    """I8: the request is older than our record of the token, but not than the token."""
    world = fleet(1, life=25 * DAY)
    request_rotation(world, expires_at=world.expiry(world.targets["t0"].value))
    world.pass_time(timedelta(seconds=5))
    run(world)
    assert [step.reason for step in world.steps if isinstance(step, Issue)] == [Reason.REQUESTED]


def test_a_complaint_about_a_target_that_only_lags_is_stale() -> None:
    world, _ = rotated(targets=2)
    old = world.expiry(world.targets["t1"].value)
    world.pass_time(timedelta(hours=1))
    world.targets["t1"].reachable = False
    request_rotation(world)
    run(world)
    world.targets["t1"].reachable = True
    assert targets_with_expiry(observed(world), old) == []


def test_an_adopted_fleet_counts_as_settled() -> None:
    world = fleet(2)
    rest = run(world)
    assert rest and rest.reason is Reason.SETTLED


def test_an_expired_previous_token_is_no_reason_to_regenerate_a_key() -> None:
    world, gateway = rotated(Revocation.AFTER_VERIFY)
    world.pass_time(30 * DAY)
    run(world, gateway)
    world.pass_time(2 * DAY)
    run(world, gateway)
    assert world.revoked == []


def test_rest_never_lasts_longer_than_look_every() -> None:
    """A suspended host or a set clock costs at most this much."""
    world, _ = rotated()
    rest = run(world)
    assert rest and rest.until == world.now + Policy().look_every


@pytest.mark.parametrize("life", [timedelta(days=30), timedelta(days=31)])
def test_a_policy_never_asks_for_the_longest_life(life: timedelta) -> None:
    with pytest.raises(ValueError, match="30 days"):
        Policy(lifetime=life)


def test_pods_that_were_there_at_the_proof_are_trusted_after_a_repair_however_young() -> None:
    """Clocks do not matter: no container reads a Secret twice."""
    world, gateway = rotated()
    target = world.targets["t0"]
    for pod in target.workloads["w0"].pods:
        pod.started_at = world.now
    happen(world, gateway, Event.SECRET_SET_BACK, 0)
    rest = run(world, gateway)
    assert rest and rest.reason is Reason.SETTLED
    assert [type(step).__name__ for step in world.steps] == ["Write", "Verify", "Rest"]


def in_mid_rollout() -> World:
    """A process died while it waited for the rollout that it had begun."""
    world, _ = rotated()
    request_rotation(world)
    world.at_call = crash_after("restart")
    run(world)
    world.leader = None
    assert isinstance(next_step(Situation(observed(world), GATEWAY.policy, world.now)), Await)
    assert world.restarts == {"t0/w0": 1}
    return world


def test_a_request_during_a_healthy_rollout_waits_for_it_and_is_then_answered() -> None:
    world = in_mid_rollout()
    assert request_rotation(world) is Noted.ACCEPTED
    world.steps.clear()
    run(world)
    steps = [type(step).__name__ for step in world.steps if not isinstance(step, Await)]
    assert steps == ["Verify", "Issue", "Restart", "Verify", "Rest"]


def test_a_leak_does_not_wait_for_a_rollout() -> None:
    world = in_mid_rollout()
    request_rotation(world, leak=True)
    assert isinstance(next_step(Situation(observed(world), GATEWAY.policy, world.now)), Issue)


def test_a_workload_that_was_just_restarted_does_not_count_as_unhealthy() -> None:
    """A token that must be replaced in the middle of its rollout does not strand the gateway."""
    world = in_mid_rollout()
    world.generation[Key.SECONDARY] += 1
    world.steps.clear()
    run(world)
    steps = [type(step).__name__ for step in world.steps if not isinstance(step, Await)]
    assert steps == ["Issue", "Restart", "Verify", "Rest"]


def test_a_token_that_was_there_before_is_not_issued_again() -> None:
    """Within one minute Azure gives the same token for the same key."""
    world, gateway = rotated()
    values = set()
    for _ in range(3):
        now = world.now
        request_rotation(world)
        run(world, gateway)
        values.add(world.targets["t0"].value)
        world.now = now
    assert len(values) == 3


def test_a_flawed_target_is_unsettled_even_if_it_was_only_adopted() -> None:
    world = fleet(1)
    run(world)
    observation = observed(world)
    step = next_step(
        Situation(
            with_workloads(observation, misconfiguration="deployment/nope does not exist"),
            GATEWAY.policy,
            world.now,
        )
    )
    assert isinstance(step, Rest) and step.reason is Reason.UNSETTLED


def test_a_workload_whose_restart_failed_counts_as_unhealthy() -> None:
    world = in_mid_rollout()
    situation = Situation(observed(world), GATEWAY.policy, world.now)
    (load,) = situation.observation.targets[0].workloads
    assert was_just_restarted(load, situation)
    assert not was_just_restarted(replace(load, failed=True), situation)


def test_while_a_target_is_away_the_next_look_is_soon() -> None:
    world, _ = rotated(targets=2)
    policy = replace(GATEWAY.policy, look_every=6 * HOUR, renew_before=2 * DAY, panic_before=DAY)
    step = next_step(Situation(observed(world), policy, world.now))
    assert isinstance(step, Rest) and step.until == world.now + policy.look_every
    world.targets["t1"].reachable = False
    step = next_step(Situation(observed(world), policy, world.now))
    assert isinstance(step, Rest) and step.until == world.now + policy.recheck
