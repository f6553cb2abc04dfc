from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.errors import Refused, Unavailable
from rotator.eventgrid.pull.batch import read_batch, release_delay
from rotator.ports import FetchedEvent
from tests.eventgrid.builders import cloud, data

ON_THE_WIRE = {0, 10, 60, 600, 3600}


def seconds(deliveries: int, asked: float | None = None) -> float:
    wait = None if asked is None else timedelta(seconds=asked)
    return release_delay(deliveries, Unavailable("unreachable", wait)).total_seconds()


def test_an_event_that_may_come_ten_times_outlasts_an_outage_of_three_hours() -> None:
    assert sum(seconds(n) for n in range(1, 10)) > 3 * 3600
    assert [seconds(n) for n in (1, 2, 3)] == [10, 10, 60]


@given(st.integers(), st.none() | st.floats(0, 1e9))
def test_a_delay_is_one_that_the_wire_knows(deliveries: int, asked: float | None) -> None:
    assert seconds(deliveries, asked) in ON_THE_WIRE


@pytest.mark.parametrize(("asked", "given"), [(3, 10), (11, 60), (61, 600), (601, 3600), (9999, 3600)])
def test_a_delay_is_no_shorter_than_what_was_asked_for(asked: float, given: float) -> None:
    assert seconds(1, asked) == given


def test_a_refusal_comes_again_as_well() -> None:
    assert release_delay(1, Refused("may not", "Grant it")).total_seconds() == 10


def test_pods_with_one_token_are_one_group_and_events_without_expiry_are_told_apart_by_time() -> None:
    mute = {"data": data(more="nothing")}
    events = [cloud(), cloud(id="2"), cloud(**mute), cloud(**mute, time="2021-07-03T00:47:47Z")]

    batch = read_batch([FetchedEvent(str(n), 1, event) for n, event in enumerate(events)])

    assert [c.locks for c in batch.groups] == [["0", "1"], ["2"], ["3"]]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)
EVENTS = JSON | st.builds(lambda name, value: cloud(**{name: value}), st.sampled_from(sorted(cloud())), JSON)


@given(st.lists(EVENTS, max_size=8))
def test_every_event_gets_exactly_one_answer(events: list[object]) -> None:
    fetched = [FetchedEvent(str(n), 1, event) for n, event in enumerate(events)]

    batch = read_batch(fetched)

    locks = [lock for c in batch.groups for lock in c.locks] + batch.ignored + batch.invalid
    assert sorted(locks) == sorted(f.lock for f in fetched)
    assert sum(batch.reasons.values()) == len(batch.invalid)
