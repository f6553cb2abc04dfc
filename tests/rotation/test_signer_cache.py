"""Azure is asked who signs a token as seldom as is safe."""

from __future__ import annotations

from datetime import timedelta

from rotator.core.observation import Observation
from rotator.core.records import Key, Revocation
from rotator.rotation import Ports, look, rotate
from tests.rotation.dsl import DAY, GW, ask, fleet, gateway, run
from tests.world import World, drive


def in_real_life(w: World) -> World:
    w.proof_age = timedelta(hours=6)
    return w


async def look_afresh(process: Ports) -> Observation:
    process.signers.forget()
    return await look(GW, process)


def test_a_restarted_process_asks_about_no_token_whose_key_is_on_record() -> None:
    w = in_real_life(fleet(2))
    run(w)
    w.asked = 0
    for _ in range(5):
        run(w)
    assert w.asked == 0


def test_a_stranger_is_asked_about_at_once() -> None:
    w = in_real_life(fleet(1))
    run(w)
    assert w.asked == 1


def test_a_process_that_lives_on_proves_each_key_again_once_in_a_while() -> None:
    w = in_real_life(fleet(1))
    run(w)
    w.asked, process = 0, w.process()
    for hours in range(13):
        drive(look(GW, process))
        assert w.asked == hours // 6
        w.pass_time(timedelta(hours=1))


def test_a_token_that_was_just_minted_needs_no_question() -> None:
    w = in_real_life(fleet(1))
    run(w)
    ask(w)
    w.asked = 0
    run(w)
    assert len(w.issued) == 1 and w.asked == 0


def test_a_fresh_look_believes_nothing_old() -> None:
    w = in_real_life(fleet(1))
    run(w)
    process = w.process()
    before = drive(look_afresh(process)).signers
    w.azure = False
    assert set(before.values()) == {Key.SECONDARY}
    assert drive(look_afresh(process)).signers == {}
    w.azure = True
    w.generation[Key.SECONDARY] += 1
    assert set(drive(look_afresh(process)).signers.values()) == {None}


def test_before_a_key_is_ended_an_answer_from_before_counts_for_nothing() -> None:
    w = in_real_life(fleet(1))
    run(w)
    process = w.process()
    seen = drive(look_afresh(process))
    assert set(seen.signers.values()) == {Key.SECONDARY}
    w.azure = False
    assert drive(process.signers.of(seen, w.now)) == seen.signers
    assert drive(process.signers.of(seen, w.now, fresh=True)) == {}


def test_expired_tokens_are_not_asked_about() -> None:
    w = in_real_life(fleet(1, life=DAY))
    w.pass_time(2 * DAY)
    w.asked = 0
    drive(look_afresh(w.process()))
    assert w.asked == 0


def test_an_old_answer_is_not_believed_while_nobody_can_be_asked() -> None:
    w = in_real_life(fleet(1))
    run(w)
    process = w.process()
    assert set(drive(look_afresh(process)).signers.values()) == {Key.SECONDARY}
    w.azure = False
    w.pass_time(timedelta(hours=7))
    assert drive(look(GW, process)).signers == {}


def test_a_process_that_lives_on_does_not_ask_about_what_it_just_got() -> None:
    w = in_real_life(fleet(1))
    run(w)
    process = w.process()
    w.pass_time(timedelta(hours=7))
    ask(w)
    w.asked = 0
    drive(rotate(GW, process))
    assert w.asked == 1, "the token that was there is asked about again; the new one is known"


def test_what_is_on_record_counts_while_nobody_can_be_asked() -> None:
    w = in_real_life(fleet(1))
    run(w)
    w.azure = False
    seen = drive(look_afresh(w.process()))
    assert seen.signers == {} and seen.current
    assert seen.key(seen.current.token) is Key.SECONDARY


def test_a_token_that_a_stranger_puts_back_is_asked_about_though_it_is_on_record_elsewhere() -> None:
    """Its key was ended by another process since: it is dead, and must not be taken over, let alone spread."""
    w, gw = fleet(2), gateway(Revocation.AFTER_VERIFY)
    in_real_life(w)
    first = w.clusters["t0"].value
    run(w, gw)
    here = w.process()
    drive(rotate(gw, here))
    ask(w, leak=True)
    run(w, gw)
    assert not w.alive(first)
    c = w.clusters["t0"]
    c.value, c.record, c.request, c.version = first, None, None, c.version + 1
    drive(rotate(gw, here))
    assert {c.value for c in w.clusters.values()} == {w.issued[0]}


def test_an_answer_about_a_strangers_token_is_believed_for_a_moment_only() -> None:
    w = in_real_life(fleet(1))
    run(w)
    process, c = w.process(), w.clusters["t0"]
    c.value, c.version = w.mint(Key.PRIMARY, w.now + DAY), c.version + 1
    w.asked = 0
    for asked in (1, 1, 2):
        drive(look(GW, process))
        assert w.asked == asked
        w.pass_time(timedelta(seconds=30))
