"""What is held up, refused, fought over or leaked: nothing of it is lost, and nothing else suffers."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from rotator.core.explain import explain, overrides
from rotator.core.hours import Hours
from rotator.core.plan import next_step
from rotator.core.policy import Policy
from rotator.core.seen import Observed
from rotator.core.steps import Issue, Replace, Rest, Restart, Revoke, RollBack, Step, Write
from rotator.core.words import Key, Reason, Revocation
from rotator.errors import Refused, Unavailable
from rotator.rotation import Gateway, Noted, Result, look, rotate
from tests.rotation.test_rotation import (
    DAY,
    GW,
    HOUR,
    MINUTE,
    ask,
    at_rest,
    count,
    fleet,
    gateway,
    kinds,
    rotated,
    run,
    settle,
)
from tests.world import Crash, World, drive


def seen_in(w: World) -> Observed:
    return drive(look(w.gateway(Policy()), w.process()))


def said_at_rest(w: World, gw: Gateway = GW) -> tuple[Reason, str]:
    seen = drive(look(replace(gw, hours=w.hours), w.process()))
    step = run(w, gw)
    assert step is not None
    return step.reason, explain(step, seen, gw.policy, w.now).text


def revert_templates(w: World) -> None:
    for c in w.clusters.values():
        for d in c.workloads.values():
            d.mark, d.version = None, d.version + 1


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


def test_a_key_that_may_not_be_regenerated_before_its_reuse_holds_up_no_renewal() -> None:
    w, gw = rotated(Revocation.BEFORE_REUSE)
    w.revocable, before = False, len(w.issued)
    ask(w)
    with pytest.raises(Refused, match="not allowed"):
        drive(rotate(gw, w.process()))
    assert len(w.issued) == before + 1
    at_rest(w, replace(gw, policy=replace(gw.policy, regenerate_keys=False)))


def test_a_key_that_may_not_be_regenerated_after_the_proof_holds_up_no_renewal() -> None:
    w, gw = rotated(Revocation.AFTER_VERIFY)
    w.revocable, before = False, len(w.issued)
    w.pass_time(2 * DAY)
    with pytest.raises(Refused, match="not allowed"):
        drive(rotate(gw, w.process()))
    ask(w)
    run(w, gw)
    assert len(w.issued) == before + 1
    at_rest(w, replace(gw, policy=replace(gw.policy, regenerate_keys=False)))


def test_a_leaked_key_that_may_not_be_regenerated_holds_up_no_renewal() -> None:
    w, gw = rotated()
    w.revocable = False
    ask(w, leak=True)
    with pytest.raises(Refused):
        drive(rotate(gw, w.process()))
    w.pass_time(20 * DAY)
    with pytest.raises(Refused):
        drive(rotate(gw, w.process()))
    assert count(w, Issue) == 2 and seen_in(w).condemned
    w.revocable = True
    settle(w, gw)
    assert not seen_in(w).condemned
    at_rest(w, gw)


def test_after_a_revocation_nobody_believes_old_answers() -> None:
    w, gw = rotated(Revocation.AFTER_VERIFY)
    w.proof_age = 6 * HOUR
    w.pass_time(2 * DAY)
    process = w.process()
    for _ in range(3):
        drive(rotate(gw, process))
    assert sum(isinstance(s, Revoke) for s in w.acts) == 1


def test_a_target_that_may_not_be_written_holds_up_no_other() -> None:
    w, gw = rotated(targets=3)
    w.clusters["t1"].forbidden = True
    ask_anybody(w)
    with pytest.raises(Refused, match="t1 may not be written"):
        drive(rotate(gw, w.process()))
    values = {n: c.value for n, c in w.clusters.items()}
    assert values["t0"] == values["t2"] != values["t1"]
    assert {p.token for n in ("t0", "t2") for p in w.clusters[n].workloads["w0"].pods} == {values["t0"]}
    w.clusters["t1"].forbidden = False
    settle(w, gw)
    at_rest(w, gw)


def test_the_first_target_may_not_be_written_and_the_next_one_gets_the_token() -> None:
    w, gw = rotated(targets=2)
    ask(w)
    w.clusters["t0"].forbidden = True
    with pytest.raises(Refused, match="t0 may not be written"):
        drive(rotate(gw, w.process()))
    assert w.clusters["t1"].value != w.clusters["t0"].value
    w.clusters["t0"].forbidden = False
    settle(w, gw)
    at_rest(w, gw)


def test_all_that_went_wrong_is_said_at_once() -> None:
    w, gw = rotated(targets=3)
    w.pass_time(20 * DAY)
    w.clusters["t1"].forbidden = w.clusters["t2"].forbidden = True
    with pytest.raises(Refused) as said:
        drive(rotate(gw, w.process()))
    assert "t1 may not be written" in str(said.value) and "t2 may not be written" in str(said.value)


def test_what_waits_for_a_window_says_so() -> None:
    w, gw = rotated()
    w.open_window = False
    ask(w)
    reason, text = said_at_rest(w, gw)
    assert reason is Reason.HELD
    assert text == "a new token (Requested) waits: outside its maintenance windows"


def test_a_restart_that_waits_for_a_window_is_held_not_unsettled() -> None:
    w, gw = rotated(targets=2)
    w.clusters["t1"].reachable = False
    ask(w)
    run(w, gw)
    w.clusters["t1"].reachable, w.open_window = True, False
    run(w, gw)
    reason, text = said_at_rest(w, gw)
    assert reason is Reason.HELD
    assert "t1: restarts wait: outside its maintenance windows" in text


def test_a_window_that_opens_is_looked_at_when_it_opens() -> None:
    w, gw = rotated()
    opens = w.now + 90 * timedelta(seconds=1)
    step = drive(rotate(replace(gw, hours=lambda _: Hours(False, opens, "closed")), w.process())).rest
    assert step.until == opens


def test_what_overrides_a_freeze_says_so() -> None:
    w, gw = rotated()
    w.open_window = False
    w.pass_time(27 * DAY + HOUR)
    run(w, gw)
    seen = replace(seen_in(w), hours=w.hours(w.now))
    loud = [type(s) for s in w.acts if overrides(s, seen)]
    assert set(loud) == {Issue, Restart}
    assert overrides(Rest(w.now, Reason.SETTLED), seen) == ""


def test_templates_that_are_reverted_for_ever_cause_no_storm() -> None:
    w, gw = rotated()
    ask(w)
    run(w, gw)
    w.restarts.clear()
    w.acts.clear()
    for _ in range(24 * 20):
        revert_templates(w)
        run(w, gw)
        w.pass_time(3 * MINUTE)
    assert 3 <= sum(w.restarts.values()) <= 8, w.restarts


def test_a_workload_is_restarted_so_often_an_hour_and_no_more() -> None:
    w, gw = rotated()
    gw = replace(gw, policy=replace(gw.policy, max_restarts_per_hour=2))
    for _ in range(5):
        ask(w)
        run(w, gw)
        w.pass_time(2 * MINUTE)
    assert sum(w.restarts.values()) == 2
    assert "a larger max_restarts_per_hour" in said_at_rest(w, gw)[1]
    w.pass_time(HOUR)
    settle(w, gw)
    at_rest(w, gw)


def test_a_fight_stops_says_who_and_what_to_do_and_goes_on_once_a_day() -> None:
    w, gw = rotated()
    c, old = w.clusters["t0"], w.mint(Key.SECONDARY, w.now + 20 * DAY)
    for _ in range(24 * 20):
        c.value, c.version = old, c.version + 1
        run(w, gw)
        w.pass_time(3 * MINUTE)
    assert sum(isinstance(s, Write) for s in w.acts) <= 7
    reason, text = said_at_rest(w, gw)
    assert reason is Reason.FIGHTING
    assert (
        "keeps changing the token back. It was mended 6 times" in text and "secret.createSecret=false" in text
    )
    w.acts.clear()
    w.pass_time(DAY)
    run(w, gw)
    assert kinds(w)[0] == "Write"


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


def test_a_gateway_waits_with_its_restart_while_too_many_others_roll() -> None:
    async def scene() -> None:
        w, gw = rotated()
        w.restarts.clear()
        ask(w)
        ports = w.process()
        await ports.rollouts.acquire()
        task = asyncio.create_task(rotate(gw, ports))
        while not any(isinstance(s, Restart) for s in w.acts):
            await asyncio.sleep(0)
        assert not w.restarts
        ports.rollouts.release()
        assert (await task).result is Result.ROTATED
        assert not ports.rollouts.locked()
        at_rest(w, gw)

    asyncio.run(scene())


def test_a_gateway_whose_pods_have_nothing_good_to_go_on_with_waits_for_no_other() -> None:
    w, gw = rotated()
    w.pass_time(30 * DAY)
    ports = w.process()
    drive(ports.rollouts.acquire())
    assert drive(rotate(gw, ports)).result is Result.ROTATED


@pytest.mark.parametrize("minutes", [-10, 10])
def test_clocks_that_disagree_change_nothing(minutes: int) -> None:
    for revoke in Revocation:
        w, gw = fleet(2), gateway(revoke)
        for skew in (timedelta(), minutes * MINUTE, timedelta(), minutes * MINUTE):
            drive(rotate(gw, w.process(skew)))
            ask(w)
            drive(rotate(gw, w.process(-skew)))
            w.pass_time(11 * MINUTE)
            drive(rotate(gw, w.process(skew)))
        assert count(w, Issue) == 4
        at_rest(w, gw)


def ask_anybody(w: World) -> None:
    w.clusters["t1"].forbidden, kept = False, w.clusters["t1"].forbidden
    ask(w)
    w.clusters["t1"].forbidden = kept


def fails_once(w: World, gw: Gateway) -> None:
    w.clusters["t0"].workloads["w0"].stuck = True
    ask(w)
    run(w, gw)
    assert count(w, RollBack) == 1
    w.pass_time(5 * MINUTE)


def test_who_asks_again_after_a_roll_back_does_not_wait_for_the_back_off() -> None:
    w, gw = rotated()
    fails_once(w, gw)
    w.clusters["t0"].workloads["w0"].stuck = False
    run(w, gw)
    assert count(w, Issue) == 1
    ask(w, anew=True)
    run(w, gw)
    assert count(w, Issue) == 2
    at_rest(w, gw)


def test_asking_again_is_answered_once_however_often_it_fails() -> None:
    w, gw = rotated()
    fails_once(w, gw)
    ask(w, anew=True)
    for _ in range(5):
        run(w, gw)
        w.pass_time(MINUTE)
    assert count(w, RollBack) == 2


def test_a_repeated_event_does_not_shorten_the_back_off() -> None:
    w, gw = rotated()
    fails_once(w, gw)
    for _ in range(5):
        assert ask(w) is Noted.DUPLICATE
        run(w, gw)
    assert count(w, RollBack) == 1


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


def test_a_new_token_that_waits_for_the_end_of_a_fight_says_so() -> None:
    w, gw = rotated()
    w.repairs, w.repaired_at = 6, w.now
    ask(w)
    reason, text = said_at_rest(w, gw)
    assert reason is Reason.FIGHTING
    assert text.startswith("a new token (Requested) waits until 2026-01-02 ") and "6 times so far" in text


def test_a_target_that_appears_with_a_token_that_is_due_gets_the_current_one() -> None:
    w, gw = rotated()
    w.boot("t1", w.mint(Key.SECONDARY, w.now + 2 * DAY))
    run(w, gw)
    assert count(w, Issue) == 0
    w.pass_time(HOUR)
    at_rest(w, gw)


def test_a_target_that_appears_with_a_good_token_keeps_it_until_the_next_rotation() -> None:
    w, gw = rotated()
    w.boot("t1", w.mint(Key.SECONDARY, w.now + 20 * DAY))
    run(w, gw)
    assert kinds(w) == ["Adopt", "Rest"] and not w.restarts


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


def test_nothing_is_issued_on_a_key_whose_regeneration_may_still_arrive() -> None:
    w, gw = rotated(Revocation.BEFORE_REUSE)
    ports = w.process()
    before, current = len(w.issued), w.clusters["t0"].value.split("|")[0]

    class Late:
        patience = timedelta(seconds=10)

        async def regenerate(self, key: Key) -> None:
            raise Unavailable("no answer within 10 s")

    ask(w)
    with pytest.raises(Unavailable, match="no answer"):
        drive(rotate(gw, replace(ports, revoker=Late())))
    assert len(w.issued) == before + 1
    assert w.clusters["t0"].value.split("|")[0] == current
    at_rest(w, replace(gw, policy=replace(gw.policy, regenerate_keys=False)))


def test_a_target_that_appears_in_a_freeze_is_not_restarted_while_its_token_is_good() -> None:
    w, gw = rotated()
    w.boot("t1", w.mint(Key.SECONDARY, w.now + 9 * DAY))
    w.open_window = False
    run(w, gw)
    assert "t1/w0" not in w.restarts
    settle(w, gw)
    at_rest(w, gw)


def test_a_failed_token_goes_no_further_although_it_cannot_be_put_back() -> None:
    w, gw = rotated(targets=2)
    ports = w.process()
    w.clusters["t0"].workloads["w0"].stuck = True
    ask(w)

    decided = ports.reporter.decided

    def spoil(step: Step, seen: Observed, now: datetime) -> None:
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


def test_no_fight_lets_a_token_expire() -> None:
    w, gw = rotated()
    gw = replace(gw, policy=replace(gw.policy, panic_before=2 * HOUR))
    w.pass_time(w.expiry(w.clusters["t0"].value) - w.now - HOUR)
    w.repairs, w.repaired_at = 6, w.now
    w.pass_time(HOUR - MINUTE)
    run(w, gw)
    assert len(w.issued) == 1
    w.pass_time(2 * MINUTE)
    run(w, gw)
    at_rest(w, gw)


def test_an_event_about_a_token_that_may_be_where_nobody_answers_is_not_stale() -> None:
    w, _ = rotated(targets=2)
    w.clusters["t1"].reachable = False
    with pytest.raises(Unavailable, match="a target is away"):
        ask(w, expires_at=w.now + 3 * DAY)
    w.clusters["t1"].reachable = True
    assert ask(w, expires_at=w.now + 3 * DAY) is Noted.STALE


def crash() -> None:
    raise Crash


def test_an_emptied_secret_gets_a_new_token_where_the_old_one_cannot_be_issued_again() -> None:
    w = fleet(1, deterministic=False)
    run(w)
    c = w.clusters["t0"]
    c.value, c.version = "", c.version + 1
    run(w)
    assert len(w.issued) == 1
    w.pass_time(HOUR)
    assert {p.token for p in c.workloads["w0"].pods} == {c.value} and w.good(c.value)


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
