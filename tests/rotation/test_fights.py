"""Another writer changes things again and again: restores slow down, are reported, and let no token expire."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from rotator.core.records import Key, Reason
from rotator.core.steps import Adopt, Issue, Write
from tests.rotation.dsl import (
    DAY,
    HOUR,
    MINUTE,
    at_rest,
    crash_before,
    fleet,
    reason_at_rest,
    request_rotation,
    rotated,
    run,
    step_names,
)
from tests.world import World, count


def test_a_fight_over_one_secret_starves_no_other() -> None:
    """Repairs are rationed per gateway: each drifted target gets its turn."""
    world, gateway = rotated(targets=2)
    contested, emptied = world.targets["t0"], world.targets["t1"]
    contested.owned = world.mint(Key.SECONDARY, world.now + 20 * DAY)
    for _ in range(20):
        run(world, gateway)
        world.pass_time(HOUR)
    emptied.value, emptied.version = "", emptied.version + 1
    for _ in range(49):
        run(world, gateway)
        world.pass_time(HOUR)
    assert world.usable(emptied.value)


def test_a_fight_with_gitops_slows_down() -> None:
    world, gateway = rotated()
    target, old = world.targets["t0"], world.mint(Key.SECONDARY, world.now + 20 * DAY)
    for _ in range(24 * 20):
        target.overwrite(old)
        run(world, gateway)
        world.pass_time(timedelta(minutes=3))
    assert (
        3 <= sum(isinstance(step, Write) for step in world.steps) < 25 and sum(world.restarts.values()) == 0
    )


def test_a_fight_over_a_due_token_issues_few() -> None:
    world, gateway = rotated()
    target = world.targets["t0"]
    world.pass_time(17 * DAY)
    old = target.value
    for _ in range(24 * 20 * 4):
        run(world, gateway)
        world.pass_time(timedelta(minutes=3))
        target.overwrite(old)
    assert len(world.issued) <= 4, len(world.issued)


def test_a_gitops_replace_that_drops_annotations_causes_no_storm() -> None:
    world, gateway = rotated()
    target, old = world.targets["t0"], world.mint(Key.SECONDARY, world.now + 15 * DAY)
    for _ in range(24 * 20 * 7):
        target.value, target.record, target.version = old, None, target.version + 1
        run(world, gateway)
        world.pass_time(timedelta(minutes=3))
    assert sum(world.restarts.values()) <= 25, world.restarts
    assert sum(isinstance(step, Adopt) for step in world.steps) <= 25


def test_a_due_token_written_over_another_writers_counts_as_a_restore() -> None:
    world, gateway = rotated()
    world.pass_time(20 * DAY)
    target = world.targets["t0"]
    target.overwrite(world.mint(Key.SECONDARY, world.now + DAY))
    run(world, gateway)
    assert count(world, Issue) == 1 and world.restores == 1


def revert_templates(world: World) -> None:
    for target in world.targets.values():
        for workload in target.workloads.values():
            workload.template_token, workload.version = None, workload.version + 1


def test_templates_that_are_reverted_for_ever_cause_no_storm() -> None:
    world, gateway = rotated()
    request_rotation(world)
    run(world, gateway)
    world.restarts.clear()
    world.steps.clear()
    for _ in range(24 * 20):
        revert_templates(world)
        run(world, gateway)
        world.pass_time(3 * MINUTE)
    assert 3 <= sum(world.restarts.values()) <= 8, world.restarts


def test_a_fight_stops_says_who_and_what_to_do_and_goes_on_once_a_day() -> None:
    world, gateway = rotated()
    target, old = world.targets["t0"], world.mint(Key.SECONDARY, world.now + 20 * DAY)
    for _ in range(24 * 20):
        target.overwrite(old)
        run(world, gateway)
        world.pass_time(3 * MINUTE)
    assert sum(isinstance(step, Write) for step in world.steps) <= 7
    reason, text = reason_at_rest(world, gateway)
    assert reason is Reason.FIGHTING
    assert (
        "keeps changing the token back. It was restored 6 times" in text
        and "secret.createSecret=false" in text
    )
    world.steps.clear()
    world.pass_time(DAY)
    run(world, gateway)
    assert step_names(world)[0] == "Write"


def test_a_new_token_that_waits_for_the_end_of_a_fight_says_so() -> None:
    world, gateway = rotated()
    world.restores, world.last_restored_at = 6, world.now
    request_rotation(world)
    reason, text = reason_at_rest(world, gateway)
    assert reason is Reason.FIGHTING
    assert text.startswith("a new token (Requested) waits until 2026-01-02 ") and "6 times so far" in text


def test_no_fight_lets_a_token_expire() -> None:
    world, gateway = rotated()
    gateway = replace(gateway, policy=replace(gateway.policy, panic_before=2 * HOUR))
    world.pass_time(world.expiry(world.targets["t0"].value) - world.now - HOUR)
    world.restores, world.last_restored_at = 6, world.now
    world.pass_time(HOUR - MINUTE)
    run(world, gateway)
    assert len(world.issued) == 1
    world.pass_time(2 * MINUTE)
    run(world, gateway)
    at_rest(world, gateway)


def test_after_a_fight_nothing_is_called_a_fight_that_is_none() -> None:
    world, gateway = rotated()
    world.restores, world.last_restored_at = 6, world.now
    reason, _ = reason_at_rest(world, gateway)
    assert reason is Reason.SETTLED


def test_a_fight_over_an_adopted_token_rests_too() -> None:
    world = fleet(1)
    run(world)
    world.targets["t0"].owned = world.mint(Key.SECONDARY, world.now + 10 * DAY)
    for _ in range(10):
        run(world)
        world.pass_time(HOUR)
    world.steps.clear()
    reason, _ = reason_at_rest(world)
    assert reason is Reason.FIGHTING and step_names(world) == ["Rest"]


def test_while_a_secret_is_fought_over_no_pod_is_made_to_read_what_is_there() -> None:
    """Neither restarted, nor replaced, nor waited for."""
    world, gateway = rotated()
    target = world.targets["t0"]
    request_rotation(world)
    world.at_call = crash_before("restart")
    run(world, gateway)
    assert target.workloads["w0"].template_token != target.value, (
        "the new token is written, nothing restarted yet"
    )
    world.pass_time(HOUR)
    target.overwrite(world.mint(Key.SECONDARY, world.now + 5 * DAY))
    world.restores, world.last_restored_at = 6, world.now
    world.evict(target, target.workloads["w0"], target.workloads["w0"].pods[0].name)
    world.steps.clear()
    reason, _ = reason_at_rest(world, gateway)
    assert reason is Reason.FIGHTING and step_names(world) == ["Rest"] and not world.restarts


def test_a_proven_token_that_is_fought_over_is_not_waited_for() -> None:
    world, gateway = rotated()
    target = world.targets["t0"]
    assert target.record
    target.value, target.record, target.version = (
        world.mint(Key.SECONDARY, world.now + 5 * DAY),
        replace(target.record, restored_at=world.now),
        target.version + 1,
    )
    world.evict(target, target.workloads["w0"], target.workloads["w0"].pods[0].name)
    world.restores, world.last_restored_at = 6, world.now
    world.pass_time(5 * MINUTE)
    reason, _ = reason_at_rest(world, gateway)
    assert reason is Reason.FIGHTING and step_names(world) == ["Rest"]
