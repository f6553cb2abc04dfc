"""Every step has a reason and a sentence."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import get_args

from rotator.app.status import status_of
from rotator.core.messages import explain
from rotator.core.policy import Policy
from rotator.core.records import Reason
from rotator.core.situation import Situation
from rotator.core.steps import Rest, Step
from rotator.rotation import observe
from tests.rotation.dsl import GATEWAY, HOUR, fleet, request_rotation, rotated, run
from tests.world import START, World, drive


def sentences(world: World) -> dict[str, str]:
    """Explain all steps that were taken in w; the last observation stands for all."""
    observation = drive(observe(replace(GATEWAY, window=world.window), world.process()))
    return {
        type(step).__name__: explain(step, Situation(observation, GATEWAY.policy, world.now)).text
        for step in world.steps
    }


def test_a_rotation_reads_as_a_story() -> None:
    world = fleet(1)
    run(world)
    request_rotation(world)
    run(world)
    told = sentences(world)
    assert "which the rotator did not write. Adopting it" in told["Adopt"]
    assert told["Issue"] == "a request asked for a new token. Issuing it with the primary key"
    assert "pods of w0 (t0) do not run" in told["Restart"]
    assert told["Verify"] == "every pod of t0 runs the token in its Secret"
    assert told["Rest"].startswith("everything runs token primary|0|")


def test_nearing_expiry_says_how_long_is_left_and_what_the_rule_is() -> None:
    world, _ = rotated()
    world.pass_time(timedelta(days=19, hours=2))
    world.steps.clear()
    observation, step = drive(observe(replace(GATEWAY, window=world.window), world.process())), None
    run(world)
    step = world.steps[0]
    why = explain(step, Situation(observation, GATEWAY.policy, world.now))
    assert why.reason is Reason.NEARING_EXPIRY
    assert "sooner than renew_before (10 d)" in why.text


def test_rest_names_each_target_that_is_not_proven() -> None:
    world, _ = rotated(targets=2)
    world.targets["t1"].reachable = False
    observation = drive(observe(replace(GATEWAY, window=world.window), world.process()))
    flawed = replace(
        observation,
        targets=tuple(
            replace(target, misconfiguration="deployment/x does not exist") for target in observation.targets
        ),
    )
    text = explain(Rest(START + HOUR, Reason.UNSETTLED), Situation(flawed, Policy(), world.now)).text
    assert text == "t1: away; t0: deployment/x does not exist"


def test_every_kind_of_step_is_explained_somewhere_in_a_long_life() -> None:
    world, gateway = rotated(targets=2)
    request_rotation(world)
    world.targets["t0"].workloads["w0"].stuck = True
    run(world, gateway)
    world.targets["t1"].value, world.targets["t1"].version = "secondary|0|202602250000", 999
    run(world, gateway)
    told = sentences(world)
    assert set(told) >= {"Issue", "Write", "Restart", "Await", "RollBack", "Rest"}
    assert all(told.values()) and len(get_args(Step)) == 10


def test_a_first_look_tells_what_follows_the_adoption() -> None:
    world = fleet(2, life=timedelta(days=3))
    observation = drive(observe(replace(GATEWAY, window=world.window), world.process()))
    told = status_of("oslo", observation, GATEWAY.policy, world.now)
    assert told["next_step"] == "Adopt"
    assert "; then Issue (NearingExpiry): token " in told["message"]


def test_a_first_look_at_good_tokens_promises_nothing_more() -> None:
    world = fleet(2)
    observation = drive(observe(replace(GATEWAY, window=world.window), world.process()))
    assert "then" not in status_of("oslo", observation, GATEWAY.policy, world.now)["message"]
