"""Durations as the configuration writes them, rounded, and as people read them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.config.types.durations import parse_duration_or_zero
from rotator.durations import exact, human_duration, rounded


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(), "0s"),
        (timedelta(days=5), "5d"),
        (timedelta(hours=36), "1d12h"),
        (timedelta(minutes=90), "1h30m"),
        (timedelta(seconds=1.5), "1s500ms"),
    ],
)
def test_a_duration_is_formatted_in_whole_units(duration: timedelta, text: str) -> None:
    assert exact(duration) == text


@given(st.timedeltas(timedelta(), timedelta(days=366)))
def test_a_formatted_duration_is_read_as_the_same_duration(duration: timedelta) -> None:
    assert parse_duration_or_zero(exact(duration)) == duration


@given(st.timedeltas(timedelta(microseconds=1), timedelta(days=366)))
def test_a_rounded_duration_is_not_longer_and_not_much_shorter(duration: timedelta) -> None:
    assert duration / 2 < parse_duration_or_zero(rounded(duration)) <= duration


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (timedelta(days=6, hours=3, minutes=5), "6 d 3 h"),
        (timedelta(days=6, minutes=5), "6 d"),
        (timedelta(minutes=12, seconds=5), "12 min 5 s"),
        (timedelta(seconds=59.7), "1 min"),
        (timedelta(seconds=0.2), "0 s"),
        (timedelta(seconds=-5), "0 s"),
    ],
)
def test_people_read_a_duration_in_its_two_largest_units(duration: timedelta, text: str) -> None:
    assert human_duration(duration) == text
