"""How long a gateway is left alone after a run that failed."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rotator.retry import FIRST, LONGEST, delay


@given(st.text(min_size=1), st.integers(1, 10_000))
def test_it_grows_to_five_minutes_and_never_beyond_a_quarter_more(gateway: str, failures: int) -> None:
    assert FIRST <= delay(gateway, failures) <= LONGEST * 1.25


@given(st.text(min_size=1), st.integers(1, 50), st.integers(0, 3600))
def test_what_the_other_side_asked_for_is_never_undercut(gateway: str, failures: int, seconds: int) -> None:
    asked = timedelta(seconds=seconds)
    assert delay(gateway, failures, asked) >= asked


def test_it_doubles() -> None:
    plain = [delay("oslo", n) // timedelta(seconds=1) for n in range(1, 9)]
    assert all(a < b for a, b in pairwise(plain))


def test_a_fleet_does_not_come_back_all_at_once() -> None:
    waits = {delay(f"gateway-{n}", 8, timedelta(seconds=60)) for n in range(100)}
    assert len(waits) > 90 and max(waits) - min(waits) > timedelta(seconds=30)


def test_it_is_the_same_for_the_same_arguments() -> None:
    assert delay("oslo", 3) == delay("oslo", 3)
