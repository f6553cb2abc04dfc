"""Azure's `Date` against our clock."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from rotator.azure import Arm
from rotator.azure.clock_offset import ClockOffsetPolicy
from tests.azure.conftest import Cloud

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


def asked() -> Any:
    return SimpleNamespace(context={})


def answered(date: str | None) -> Any:
    return SimpleNamespace(http_response=SimpleNamespace(headers={"Date": date} if date else {}))


def test_a_clock_that_is_off_is_told_once_and_so_is_its_return(caplog: pytest.LogCaptureFixture) -> None:
    ours = NOW + timedelta(minutes=10)
    policy = ClockOffsetPolicy(lambda: ours)
    with caplog.at_level(logging.INFO, "rotator.azure.clock_offset"):
        for _ in range(3):
            policy.on_response(asked(), answered("Wed, 02 Jan 2030 03:04:05 GMT"))
        assert policy.offset == timedelta(minutes=-10)
        ours = NOW
        policy.on_response(asked(), answered("Wed, 02 Jan 2030 03:04:05 GMT"))
    assert [r.levelname for r in caplog.records] == ["WARNING", "INFO"]
    assert "600 s ahead of Azure's" in caplog.records[0].getMessage()


def test_an_answer_that_waited_for_a_process_that_was_held_up_tells_nothing_of_a_clock() -> None:
    """The next answer may be hours away, and there is an alert on the metric."""
    ours, request = NOW, asked()
    policy = ClockOffsetPolicy(lambda: ours)
    policy.on_request(request)
    ours = NOW + timedelta(minutes=20)
    policy.on_response(request, answered("Wed, 02 Jan 2030 03:04:05 GMT"))
    assert policy.offset == timedelta()


@pytest.mark.parametrize("date", [None, "", "yesterday", "Wed, 99 Jan 2030 03:04:05 GMT"])
def test_an_answer_without_a_time_says_nothing(date: str | None) -> None:
    policy = ClockOffsetPolicy(lambda: NOW)
    policy.on_response(asked(), answered(date))
    assert policy.offset is None


async def test_every_answer_of_arm_is_looked_at(cloud: Cloud, connected: Arm) -> None:
    await connected.preflight(cloud.resource)

    assert connected.clock_offset.offset is not None
    assert abs(connected.clock_offset.offset) < timedelta(minutes=1)
