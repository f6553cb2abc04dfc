"""The offset of another clock, measured by the `Date` header of its answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.clock_offset import describe_offset, measure_offset, parse_http_date

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
SECONDS = st.integers(-3600, 3600).map(lambda seconds: timedelta(seconds=seconds))


def dated(at: datetime) -> dict[str, str]:
    return {"Date": format_datetime(at, usegmt=True)}


@given(SECONDS, st.integers(0, 3600), st.integers(0, 3600))
def test_the_true_offset_is_in_the_range_whenever_the_answer_was_made(
    offset: timedelta, before: int, after: int
) -> None:
    """The server answered `before` seconds after the request; the answer was read `after` seconds later."""
    sent, now = NOW - timedelta(seconds=before), NOW + timedelta(seconds=after)

    found = measure_offset(dated(NOW + offset), sent, now)

    assert found is not None
    assert found.low <= offset <= found.high
    assert found.took == timedelta(seconds=before + after)


@given(SECONDS, SECONDS)
def test_nearest_is_the_offset_itself_if_the_range_holds_it(offset: timedelta, other: timedelta) -> None:
    found = measure_offset(dated(NOW), NOW - HOUR, NOW)

    assert found is not None
    assert found.low <= found.nearest(offset) <= found.high
    assert abs(found.nearest(offset) - offset) <= abs(found.nearest(other) - offset)


def test_without_a_time_of_the_request_the_offset_is_exact() -> None:
    found = measure_offset(dated(NOW + HOUR), None, NOW)

    assert found is not None
    assert (found.low, found.high) == (HOUR, HOUR)


@pytest.mark.parametrize(
    "headers", [{}, {"Date": ""}, {"Date": "yesterday"}, {"Date": "Wed, 99 Jan 2030 1:1:1"}]
)
def test_an_answer_without_a_readable_date_measures_nothing(headers: dict[str, str]) -> None:
    assert measure_offset(headers, None, NOW) is None


@pytest.mark.parametrize("zone", ["GMT", "+0000", "-0000", ""])
def test_a_date_without_a_zone_is_in_utc(zone: str) -> None:
    assert parse_http_date(f"Wed, 02 Jan 2030 03:04:05 {zone}".strip()) == NOW


@pytest.mark.parametrize(("seconds", "text"), [(12, "12 s behind"), (-600, "600 s ahead of")])
def test_an_offset_is_described_from_this_machines_side(seconds: int, text: str) -> None:
    assert describe_offset(timedelta(seconds=seconds)) == text
