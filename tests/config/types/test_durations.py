"""Lengths of time are said as they are written."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.config.types.durations import about, parse_duration_or_zero, written


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(), "0s"),
        (timedelta(days=5), "5d"),
        (timedelta(hours=36), "1d12h"),
        (timedelta(minutes=90), "1h30m"),
        (timedelta(seconds=1.5), "1s500ms"),
    ],
)
def test_a_length_of_time_is_said_in_whole_units(length: timedelta, text: str) -> None:
    assert written(length) == text


@given(st.timedeltas(timedelta(), timedelta(days=366)))
def test_what_is_said_means_the_same_when_it_is_written(length: timedelta) -> None:
    assert parse_duration_or_zero(written(length)) == length


@given(st.timedeltas(timedelta(microseconds=1), timedelta(days=366)))
def test_a_round_length_is_not_longer_and_not_much_shorter(length: timedelta) -> None:
    assert length / 2 < parse_duration_or_zero(about(length)) <= length
