"""The cluster's clock counts: ours may be wrong."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from rotator.kube.client.clock_offset import ServerClock


def answered(offset: timedelta) -> dict[str, str]:
    return {"Date": format_datetime(datetime.now(UTC) + offset, usegmt=True)}


@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_clock_that_is_off_is_corrected_and_told_once(
    minutes: int, caplog: pytest.LogCaptureFixture
) -> None:
    time, off = ServerClock(), timedelta(minutes=minutes)
    with caplog.at_level(logging.INFO, "rotator.kube"):
        for _ in range(3):
            time.record(answered(off))
        assert abs(time.now() - datetime.now(UTC) - off) < timedelta(seconds=3)
        time.record(answered(timedelta()))
        assert time.offset == timedelta()
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "the rotator uses the cluster's time" in caplog.records[0].getMessage()


def test_a_clock_that_drifts_is_followed() -> None:
    time = ServerClock()
    for seconds in (60, 62, 70):
        time.record(answered(timedelta(seconds=seconds)))
    assert abs(time.offset - timedelta(seconds=70)) < timedelta(seconds=3)


@pytest.mark.parametrize("seconds", [-3, 0, 3])
def test_what_cannot_be_told_from_a_slow_answer_changes_nothing(seconds: int) -> None:
    time = ServerClock()
    time.record(answered(timedelta(seconds=seconds)))
    assert time.offset == timedelta()


@pytest.mark.parametrize("headers", [{}, {"Date": ""}, {"Date": "yesterday"}])
def test_an_answer_without_a_time_says_nothing(headers: dict[str, str]) -> None:
    time = ServerClock()
    time.record(answered(timedelta(minutes=10)))
    time.record(headers)
    assert time.offset > timedelta(minutes=9)


def test_an_answer_that_waited_for_a_process_that_was_held_up_is_no_skew() -> None:
    """As after SIGSTOP, a frozen cgroup, a machine that was moved: the answer lay in the socket."""
    time, held_up = ServerClock(), timedelta(minutes=20)
    late, sent = answered(-held_up), datetime.now(UTC) - held_up - timedelta(seconds=1)
    time.record(late, sent)
    assert time.offset == timedelta()
    time.record(answered(timedelta(minutes=10)))
    time.record(answered(timedelta(minutes=10) - held_up), sent)
    assert abs(time.offset - timedelta(minutes=10)) < timedelta(seconds=3)


def test_a_slow_answer_still_tells_a_clock_that_is_off() -> None:
    time, sent = ServerClock(), datetime.now(UTC) - timedelta(seconds=8)
    time.record(answered(timedelta(minutes=-10)), sent)
    assert abs(time.offset + timedelta(minutes=10)) < timedelta(seconds=3)
