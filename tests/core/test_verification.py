"""What an observation proves, one predicate at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from rotator.core.adoption import adoptable
from rotator.core.checks import standby_key
from rotator.core.limits import conflict_backoff_until, contested_targets, may_restore
from rotator.core.observation import Observation, Pod, Target, Workload
from rotator.core.records import Decision, Key, Record, Revocation, Token
from rotator.core.revocation import exposed, needs_proof
from rotator.core.rollout import restart_waits
from rotator.core.situation import Situation
from rotator.core.verification import (
    CLOCK_TOLERANCE,
    blocking_pods,
    came_up,
    can_spare_a_pod,
    everything_runs,
    resting,
    runs,
    suspect_pods,
    verified,
)
from tests.rotation.dsl import DAY, GATEWAY, MINUTE
from tests.world import START

NOW = START + DAY
TOKEN = Token("a1", Key.PRIMARY, START, START + 29 * DAY, "a1")
BEFORE = Token("b2", Key.SECONDARY, START, START + 20 * DAY, "b2")
POD = Pod("p", "a1", NOW - MINUTE * 10, works=True, instance="p/1")
LOAD = Workload("deployment/w", "a1", NOW - MINUTE * 20, failed=False, pods=(POD,))


def record(token: Token = TOKEN, *, restored_at: datetime | None = None) -> Record:
    return Record(Decision(1, token), restored_at)


def target(load: Workload = LOAD, rec: Record | None = None, held: Token = TOKEN) -> Target:
    return Target("t", held.fingerprint, held.expires_at, rec or record(), (load,))


def with_pod(**changes: object) -> Workload:
    return replace(LOAD, pods=(replace(POD, **changes),))  # type: ignore[arg-type]


def test_a_pod_runs_a_token_if_its_template_says_so_and_it_read_nothing_else() -> None:
    assert runs(POD, record())
    assert not runs(replace(POD, pod_token="b2"), record())
    assert not runs(POD, record(restored_at=POD.started_at))
    assert runs(POD, record(restored_at=POD.started_at - CLOCK_TOLERANCE))
    assert runs(POD, replace(record(restored_at=NOW), verified_pods=frozenset({"p/1"})))


def test_a_workload_is_healthy_with_all_pods_working_on_its_template() -> None:
    assert LOAD.healthy
    assert not with_pod(pod_token="b2").healthy
    assert not with_pod(works=False).healthy
    assert not replace(LOAD, complete=False).healthy
    assert not replace(LOAD, pods=()).healthy
    assert replace(LOAD, pods=(), idle=True).healthy
    old = replace(POD, pod_token="b2", works=False, terminating=True)
    assert replace(LOAD, pods=(POD, old)).healthy
    assert not replace(LOAD, pods=(old,)).healthy


def test_a_workload_can_do_without_a_pod_only_while_all_are_there() -> None:
    assert can_spare_a_pod(LOAD)
    assert not can_spare_a_pod(replace(LOAD, complete=False))
    assert not can_spare_a_pod(with_pod(terminating=True))
    assert not can_spare_a_pod(with_pod(works=False))


def test_a_suspect_is_replaced_once_its_successor_is_sure_to_be_trusted() -> None:
    touched = record(restored_at=NOW - 3 * CLOCK_TOLERANCE)
    young = with_pod(started_at=NOW - 3 * CLOCK_TOLERANCE)
    assert suspect_pods(target(young, touched), NOW) == [young.pods[0]]
    assert suspect_pods(target(young, touched), NOW - 2 * CLOCK_TOLERANCE) == []
    assert suspect_pods(target(with_pod(started_at=NOW), touched), NOW) == []
    terminating = with_pod(started_at=NOW - 3 * CLOCK_TOLERANCE, terminating=True, works=False)
    assert suspect_pods(target(terminating, touched), NOW) == []


def test_a_pod_that_blocks_its_controller_had_its_minute() -> None:
    stuck = replace(with_pod(pod_token="b2", works=False), ordered=True)
    assert blocking_pods(target(stuck), NOW) == [stuck.pods[0]]
    assert blocking_pods(target(replace(stuck, restarted_at=NOW)), NOW) == []
    assert blocking_pods(target(replace(stuck, pods=(replace(stuck.pods[0], started_at=NOW),))), NOW) == []
    of_the_template = replace(with_pod(works=False), ordered=True)
    assert blocking_pods(target(of_the_template), NOW) == []


def test_an_adopted_token_rests_until_it_is_touched() -> None:
    adopted = replace(TOKEN, template_token=None, adopted=True)
    plain = replace(LOAD, template_token=None, pods=(replace(POD, pod_token=None),))
    unhealthy = replace(plain, pods=(replace(plain.pods[0], works=False),))
    long_ago = record(adopted, restored_at=NOW - DAY)
    assert resting(target(unhealthy, record(adopted)))
    assert not resting(target(unhealthy, long_ago))
    assert resting(target(plain, long_ago))
    assert not resting(target(plain, record(adopted, restored_at=NOW)))


@pytest.mark.parametrize(
    ("change", "adopted"),
    [
        ({}, True),
        ({"expires_at": NOW}, False),
        ({"fingerprint": None}, False),
        ({"expires_at": None}, False),
    ],
)
def test_a_live_token_without_a_record_is_taken_over(change: dict[str, object], *, adopted: bool) -> None:
    t = replace(target(), record=None, **change)  # type: ignore[arg-type]
    assert (adoptable(t, Situation(Observation((t,)), GATEWAY.policy, NOW)) is not None) is adopted


def test_a_token_that_no_key_signs_is_not_taken_over() -> None:
    t = replace(target(), record=None)
    assert adoptable(t, Situation(Observation((t,), signers={"a1": None}), GATEWAY.policy, NOW)) is None
    assert adoptable(t, Situation(Observation((t,), signers={"a1": Key.PRIMARY}), GATEWAY.policy, NOW))


def test_another_writers_token_is_adopted_if_it_expires_later_and_is_known_to_live() -> None:
    newer = replace(TOKEN, fingerprint="c3", expires_at=TOKEN.expires_at + DAY)
    t = target(held=newer)
    assert adoptable(t, Situation(Observation((t,), signers={"c3": Key.SECONDARY}), GATEWAY.policy, NOW))
    assert adoptable(t, Situation(Observation((t,)), GATEWAY.policy, NOW)) is None
    shorter = target(held=replace(newer, expires_at=TOKEN.expires_at))
    assert (
        adoptable(
            shorter, Situation(Observation((shorter,), signers={"c3": Key.SECONDARY}), GATEWAY.policy, NOW)
        )
        is None
    )


def test_a_leak_exposes_live_tokens_only() -> None:
    old = Record(Decision(2, TOKEN), previous=Record(Decision(1, BEFORE), verified_at=START).proven)
    observation = Observation((target(rec=old),))
    assert exposed(Situation(observation, GATEWAY.policy, NOW)) == {Key.PRIMARY, Key.SECONDARY}
    assert exposed(Situation(observation, GATEWAY.policy, BEFORE.expires_at)) == {Key.PRIMARY}
    assert exposed(Situation(replace(observation, signers={"b2": None}), GATEWAY.policy, NOW)) == {
        Key.PRIMARY
    }
    proven = replace(old, verified_at=NOW)
    assert exposed(Situation(Observation((target(rec=proven),)), GATEWAY.policy, NOW)) == {Key.PRIMARY}


def test_only_unhealthy_workloads_that_are_to_be_restarted_make_a_restart_wait() -> None:
    proven = Record(Decision(1, BEFORE), verified_at=START).proven
    moved = replace(with_pod(works=False), restarted_at=NOW - timedelta(hours=5))
    stale = replace(LOAD, name="deployment/v", template_token="b2", pods=(replace(POD, pod_token="b2"),))
    t = replace(target(rec=Record(Decision(2, TOKEN), previous=proven)), workloads=(moved, stale))
    assert not restart_waits(t, Situation(Observation((t,)), GATEWAY.policy, NOW))
    unhealthy = replace(stale, pods=(replace(stale.pods[0], works=False),))
    t = replace(t, workloads=(moved, unhealthy))
    assert restart_waits(t, Situation(Observation((t,)), GATEWAY.policy, NOW))


def test_only_pods_of_the_current_template_are_suspects() -> None:
    touched = record(restored_at=NOW - 3 * CLOCK_TOLERANCE)
    old = with_pod(pod_token="b2", started_at=NOW - 3 * CLOCK_TOLERANCE)
    assert suspect_pods(target(old, touched), NOW) == []


def test_a_suspect_that_does_not_work_goes_though_others_are_missing() -> None:
    touched = record(restored_at=NOW - 3 * CLOCK_TOLERANCE)
    unhealthy = replace(with_pod(started_at=NOW - 3 * CLOCK_TOLERANCE, works=False), complete=False)
    assert suspect_pods(target(unhealthy, touched), NOW) == [unhealthy.pods[0]]
    well = replace(with_pod(started_at=NOW - 3 * CLOCK_TOLERANCE), complete=False)
    assert suspect_pods(target(well, touched), NOW) == []


def test_what_the_issuer_says_of_a_key_counts_more_than_what_is_on_record() -> None:
    t = target()
    assert Observation((t,)).key(TOKEN) is Key.PRIMARY
    assert Observation((t,), signers={"a1": Key.SECONDARY}).key(TOKEN) is Key.SECONDARY


def test_repairs_slow_down_and_then_pause_for_a_day() -> None:
    def until(restores: int) -> timedelta | None:
        end = conflict_backoff_until(Observation((), restores=restores, last_restored_at=NOW))
        return end - NOW if end else None

    assert [until(n) for n in range(8)] == [
        *[None] * 3,
        5 * MINUTE,
        10 * MINUTE,
        20 * MINUTE,
        DAY,
        DAY,
    ]
    assert conflict_backoff_until(Observation((), restores=9)) is None
    observation = Observation((), restores=3, last_restored_at=NOW)
    assert not may_restore(Situation(observation, GATEWAY.policy, NOW)) and may_restore(
        Situation(observation, GATEWAY.policy, NOW + 5 * MINUTE)
    )


def test_only_what_another_writer_changed_is_contested() -> None:
    calm = target(replace(LOAD, restarted_at=START + MINUTE))
    template = replace(
        target(replace(LOAD, template_token=None, restarted_at=START + MINUTE)), name="template"
    )
    drifted = replace(target(held=BEFORE), name="drifted")
    observation = Observation((calm, template, drifted), restores=6, last_restored_at=NOW)
    assert [t.name for t in contested_targets(Situation(observation, GATEWAY.policy, NOW))] == [
        "template",
        "drifted",
    ]
    assert contested_targets(Situation(observation, GATEWAY.policy, NOW + DAY)) == []


def test_who_signs_is_asked_before_a_key_may_have_to_end() -> None:
    (t,) = (target(rec=replace(record(), verified_at=START)),)
    observation, condemned = Observation((t,)), Observation((t,), remembered=frozenset({Key.SECONDARY}))

    def asks(observation: Observation, revoke: Revocation, now: datetime = START) -> bool:
        return needs_proof(Situation(observation, replace(GATEWAY.policy, revoke=revoke), now))

    assert not any(asks(observation, revoke) for revoke in Revocation)
    assert all(asks(condemned, revoke) for revoke in Revocation)
    assert asks(observation, Revocation.BEFORE_REUSE, START + 19 * DAY)
    assert asks(observation, Revocation.AFTER_VERIFY, START + DAY)


def test_the_key_of_the_next_token_is_the_other_one_unless_that_waits_to_be_ended() -> None:
    assert standby_key(None, frozenset()) is Key.PRIMARY
    assert standby_key(Key.PRIMARY, frozenset()) is Key.SECONDARY
    assert standby_key(Key.PRIMARY, frozenset({Key.PRIMARY})) is Key.SECONDARY
    assert standby_key(Key.PRIMARY, frozenset({Key.SECONDARY})) is Key.PRIMARY
    assert standby_key(Key.PRIMARY, frozenset(Key)) is Key.SECONDARY


def test_pods_on_their_way_out_say_nothing_against_a_token_but_prove_none_either() -> None:
    old = replace(POD, name="old", pod_token="b2", terminating=True)
    t = target(replace(LOAD, pods=(POD, old)))
    assert came_up(t) and not everything_runs(t)
    assert not came_up(target(replace(LOAD, pods=(POD, replace(old, terminating=False)))))


def test_a_target_is_verified_as_long_as_nothing_was_restarted_since() -> None:
    proven = replace(record(), verified_at=NOW - MINUTE)
    assert verified(target(rec=proven)) and resting(target(rec=proven))
    later = target(replace(LOAD, restarted_at=NOW), proven)
    assert not verified(later) and not resting(later)
    assert not verified(target())
