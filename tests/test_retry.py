"""How long to wait after failures, and what a server asks for in Retry-After."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.retry import GATEWAY_BACKOFF, MAX_RETRY_AFTER, Backoff, gateway_delay, parse_retry_after

FIRST, LONGEST = GATEWAY_BACKOFF.first, GATEWAY_BACKOFF.longest
NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


@given(st.text(min_size=1), st.integers(1, 10_000))
def test_it_grows_to_five_minutes_and_never_beyond_a_quarter_more(gateway: str, failures: int) -> None:
    assert FIRST <= gateway_delay(gateway, failures) <= LONGEST * 1.25


@given(st.text(min_size=1), st.integers(1, 50), st.integers(0, 3600))
def test_what_the_other_side_asked_for_is_never_undercut(gateway: str, failures: int, seconds: int) -> None:
    asked = timedelta(seconds=seconds)
    assert gateway_delay(gateway, failures, asked) >= asked


def test_it_doubles() -> None:
    plain = [gateway_delay("oslo", n) // timedelta(seconds=1) for n in range(1, 9)]
    assert all(a < b for a, b in pairwise(plain))


def test_a_fleet_does_not_come_back_all_at_once() -> None:
    waits = {gateway_delay(f"gateway-{n}", 8, timedelta(seconds=60)) for n in range(100)}
    assert len(waits) > 90 and max(waits) - min(waits) > timedelta(seconds=30)


def test_it_is_the_same_for_the_same_arguments() -> None:
    assert gateway_delay("oslo", 3) == gateway_delay("oslo", 3)


def test_a_backoff_doubles_from_the_first_wait_to_the_longest() -> None:
    backoff = Backoff(timedelta(seconds=1), timedelta(seconds=6))
    assert [backoff.delay(n).total_seconds() for n in (1, 2, 3, 4, 10_000)] == [1, 2, 4, 6, 6]


def test_jitter_adds_up_to_a_quarter_of_the_backoff() -> None:
    backoff = Backoff(timedelta(seconds=4), timedelta(minutes=1))
    assert backoff.delay(1, jitter=0.5) == timedelta(seconds=4.5)
    assert backoff.delay(1, timedelta(seconds=30), jitter=0.5) == timedelta(seconds=30.5)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7),
        (" 7 ", 7),
        ("0", 0),
        ("0.5", 0.5),
        ("31536000", 3600),
        ("Fri, 01 Jan 2100 00:00:00 GMT", 3600),
    ],
)
def test_retry_after_in_seconds_or_as_a_date_is_read_up_to_an_hour(text: str, seconds: float) -> None:
    assert parse_retry_after({"Retry-After": text}) == timedelta(seconds=seconds)


@pytest.mark.parametrize("minutes", [-60, 0, 2])
def test_a_date_in_retry_after_is_compared_with_the_servers_own_clock(minutes: int) -> None:
    until = NOW + timedelta(minutes=minutes)
    headers = {"Date": format_datetime(NOW, usegmt=True), "Retry-After": format_datetime(until, usegmt=True)}
    assert parse_retry_after(headers) == timedelta(minutes=max(0, minutes))


@pytest.mark.parametrize("text", ["soon", "-5", "1e9", "nan", "", "99999999999999999999", "Sat, 99 Foo 2030"])
def test_a_retry_after_that_is_neither_says_nothing(text: str) -> None:
    assert parse_retry_after({"Retry-After": text}) is None
    assert parse_retry_after({}) is None


@given(st.text())
def test_no_retry_after_is_longer_than_the_bound_or_negative(text: str) -> None:
    found = parse_retry_after({"Retry-After": text})
    assert found is None or timedelta() <= found <= MAX_RETRY_AFTER
