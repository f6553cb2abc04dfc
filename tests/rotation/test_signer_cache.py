"""Azure is asked who signs a token as seldom as is safe."""

from __future__ import annotations

from datetime import timedelta

from rotator.core.observation import Observation
from rotator.core.records import Key, Revocation
from rotator.rotation import Ports, observe, rotate
from tests.rotation.dsl import DAY, GATEWAY, fleet, gateway_with, request_rotation, run
from tests.world import World, drive


def in_real_life(world: World) -> World:
    world.proof_age = timedelta(hours=6)
    return world


async def look_afresh(process: Ports) -> Observation:
    process.signers.forget()
    return await observe(GATEWAY, process)


def test_a_restarted_process_asks_about_no_token_whose_key_is_on_record() -> None:
    world = in_real_life(fleet(2))
    run(world)
    world.signer_queries = 0
    for _ in range(5):
        run(world)
    assert world.signer_queries == 0


def test_azure_is_asked_about_an_unknown_token_at_once() -> None:
    world = in_real_life(fleet(1))
    run(world)
    assert world.signer_queries == 1


def test_a_process_that_lives_on_proves_each_key_again_once_in_a_while() -> None:
    world = in_real_life(fleet(1))
    run(world)
    world.signer_queries, process = 0, world.process()
    for hours in range(13):
        drive(observe(GATEWAY, process))
        assert world.signer_queries == hours // 6
        world.pass_time(timedelta(hours=1))


def test_a_token_that_was_just_minted_needs_no_question() -> None:
    world = in_real_life(fleet(1))
    run(world)
    request_rotation(world)
    world.signer_queries = 0
    run(world)
    assert len(world.issued) == 1 and world.signer_queries == 0


def test_a_fresh_look_believes_nothing_old() -> None:
    world = in_real_life(fleet(1))
    run(world)
    process = world.process()
    before = drive(look_afresh(process)).signers
    world.azure = False
    assert set(before.values()) == {Key.SECONDARY}
    assert drive(look_afresh(process)).signers == {}
    world.azure = True
    world.generation[Key.SECONDARY] += 1
    assert set(drive(look_afresh(process)).signers.values()) == {None}


def test_before_a_key_is_ended_an_answer_from_before_counts_for_nothing() -> None:
    world = in_real_life(fleet(1))
    run(world)
    process = world.process()
    seen = drive(look_afresh(process))
    assert set(seen.signers.values()) == {Key.SECONDARY}
    world.azure = False
    assert drive(process.signers.of(seen, world.now)) == seen.signers
    assert drive(process.signers.of(seen, world.now, fresh=True)) == {}


def test_expired_tokens_are_not_asked_about() -> None:
    world = in_real_life(fleet(1, life=DAY))
    world.pass_time(2 * DAY)
    world.signer_queries = 0
    drive(look_afresh(world.process()))
    assert world.signer_queries == 0


def test_an_old_answer_is_not_believed_while_azure_is_unreachable() -> None:
    world = in_real_life(fleet(1))
    run(world)
    process = world.process()
    assert set(drive(look_afresh(process)).signers.values()) == {Key.SECONDARY}
    world.azure = False
    world.pass_time(timedelta(hours=7))
    assert drive(observe(GATEWAY, process)).signers == {}


def test_a_process_that_lives_on_does_not_ask_about_what_it_just_got() -> None:
    world = in_real_life(fleet(1))
    run(world)
    process = world.process()
    world.pass_time(timedelta(hours=7))
    request_rotation(world)
    world.signer_queries = 0
    drive(rotate(GATEWAY, process))
    assert world.signer_queries == 1, "the token that was there is asked about again; the new one is known"


def test_what_is_on_record_counts_while_azure_is_unreachable() -> None:
    world = in_real_life(fleet(1))
    run(world)
    world.azure = False
    seen = drive(look_afresh(world.process()))
    assert seen.signers == {} and seen.current
    assert seen.key(seen.current.token) is Key.SECONDARY


def test_azure_is_asked_about_a_token_that_another_writer_restores_though_it_is_on_record_elsewhere() -> None:
    """Its key was ended by another process since: it is dead, and must not be taken over, let alone spread."""
    world, gateway = fleet(2), gateway_with(Revocation.AFTER_VERIFY)
    in_real_life(world)
    first = world.targets["t0"].value
    run(world, gateway)
    here = world.process()
    drive(rotate(gateway, here))
    request_rotation(world, leak=True)
    run(world, gateway)
    assert not world.alive(first)
    target = world.targets["t0"]
    target.value, target.record, target.request, target.version = first, None, None, target.version + 1
    drive(rotate(gateway, here))
    assert {target.value for target in world.targets.values()} == {world.issued[0]}


def test_an_answer_about_another_writers_token_is_believed_for_a_moment_only() -> None:
    world = in_real_life(fleet(1))
    run(world)
    process, target = world.process(), world.targets["t0"]
    target.overwrite(world.mint(Key.PRIMARY, world.now + DAY))
    world.signer_queries = 0
    for asked in (1, 1, 2):
        drive(observe(GATEWAY, process))
        assert world.signer_queries == asked
        world.pass_time(timedelta(seconds=30))
