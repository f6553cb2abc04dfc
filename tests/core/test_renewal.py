"""When a token has to be replaced, when that is tried again, and when no look is needed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rotator.core.observation import Observation, Pod, Target, Workload
from rotator.core.plan import next_step
from rotator.core.policy import Policy
from rotator.core.records import Decision, Key, Reason, Record, Revocation, Token
from rotator.core.renewal import due, retry_time
from rotator.core.situation import Situation
from rotator.core.steps import Rest
from tests.rotation.dsl import DAY, HOUR, MINUTE
from tests.world import START

TOKEN = Token("a1", Key.PRIMARY, START, START + 29 * DAY, "a1")
POD = Pod("p", "a1", START, works=True, instance="p/1")
LOAD = Workload("deployment/w", "a1", START, failed=False, pods=(POD,))
LONG = Policy(look_every=60 * DAY)


def observation(decision: Decision | None = None) -> Observation:
    record = Record(decision or Decision(1, TOKEN), verified_at=START)
    return Observation((Target("t", "a1", TOKEN.expires_at, record, (LOAD,)),))


@pytest.mark.parametrize(
    ("days", "reason"),
    [(0, None), (18, None), (19, Reason.NEARING_EXPIRY), (28, Reason.NEARING_EXPIRY), (29, Reason.EXPIRED)],
)
def test_a_token_is_due_ten_days_before_its_end(days: int, reason: Reason | None) -> None:
    assert due(Situation(observation(), LONG, START + days * DAY)) is reason


def test_a_token_that_no_key_signs_is_due_at_once() -> None:
    assert due(Situation(replace(observation(), signers={"a1": None}), LONG, START)) is Reason.REVOKED


def test_a_condemned_key_is_left_for_the_other_unless_that_is_condemned_too() -> None:
    def condemned(*keys: Key) -> Observation:
        return observation(Decision(1, TOKEN, frozenset(keys)))

    assert due(Situation(condemned(Key.PRIMARY), LONG, START)) is Reason.CONDEMNED
    assert due(Situation(condemned(Key.SECONDARY), LONG, START)) is None
    assert due(Situation(condemned(*Key), LONG, START)) is None


def test_the_next_try_comes_ever_later_but_in_time_for_a_last_one() -> None:
    far = START + 100 * DAY
    waits = [retry_time(n, far, START) - START for n in range(1, 9)]
    assert waits == [HOUR / 2, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 16 * HOUR, DAY, DAY]
    assert retry_time(8, START + HOUR, START) == START + HOUR
    assert retry_time(8, START - HOUR, START) == START + MINUTE


def rests_until(what: Observation, policy: Policy = LONG) -> object:
    step = next_step(Situation(what, policy, START + HOUR))
    assert isinstance(step, Rest)
    return step.until


def test_no_look_comes_before_something_is_due() -> None:
    assert rests_until(observation()) == TOKEN.expires_at - LONG.renew_before


def test_after_a_roll_back_the_next_look_is_at_the_next_try() -> None:
    again = START + 3 * HOUR
    assert rests_until(observation(Decision(2, TOKEN, failures=1, retry_at=again))) == again


def test_a_key_that_is_to_end_is_looked_at_when_its_time_has_come() -> None:
    policy = replace(LONG, revoke=Revocation.AFTER_VERIFY, revoke_after=DAY)
    assert rests_until(observation(), policy) == START + DAY
    never = replace(policy, revoke=Revocation.NEVER)
    assert rests_until(observation(), never) == TOKEN.expires_at - LONG.renew_before


def test_what_is_not_proven_is_looked_at_again_soon() -> None:
    unhealthy = replace(LOAD, restarted_at=START - DAY, pods=(replace(POD, works=False),))
    (t,) = observation().targets
    assert t.record
    unproven = replace(t, record=replace(t.record, verified_at=None), workloads=(unhealthy,))
    assert rests_until(Observation((unproven,))) == START + HOUR + LONG.recheck
    assert rests_until(Observation(())) == START + HOUR + LONG.recheck
