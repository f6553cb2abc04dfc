"""Waiting ends when the process is asked to stop."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from rotator.app import clock as module
from rotator.app.clock import SystemClock, set_back, utc_now
from rotator.errors import Stopping, Unavailable


async def test_a_wait_is_given_up_when_the_process_is_asked_to_leave_and_leaves_nothing_behind() -> None:
    stop, cancelled = asyncio.Event(), []

    async def change() -> None:
        stop.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(True)

    with pytest.raises(Stopping):
        await SystemClock(stop).wait(change())
    assert cancelled == [True] and len(asyncio.all_tasks()) == 1


async def test_a_wait_ends_with_what_it_waited_for() -> None:
    async def change() -> None:
        raise Unavailable("gone")

    clock = SystemClock(asyncio.Event())
    await clock.wait(asyncio.sleep(0))
    with pytest.raises(Unavailable):
        await clock.wait(change())


def test_nothing_is_begun_once_the_process_was_asked_to_leave() -> None:
    stop = asyncio.Event()
    clock = SystemClock(stop)
    clock.checkpoint()
    stop.set()
    with pytest.raises(Stopping):
        clock.checkpoint()


async def test_a_clock_that_is_set_back_is_noticed_and_one_that_runs_on_or_leaps_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ahead, looks = [timedelta(days=10)], 0

    def now() -> datetime:
        nonlocal looks
        looks += 1
        return utc_now() + ahead[0]

    monkeypatch.setattr(module, "utc_now", now)
    noticed = asyncio.create_task(set_back(look_every=timedelta(seconds=0.001)))

    async def looked_at_twice() -> None:
        before = looks
        while looks < before + 2 and not noticed.done():
            await asyncio.sleep(0)

    await looked_at_twice()
    ahead[0] += timedelta(hours=1)
    await looked_at_twice()
    assert not noticed.done()
    ahead[0] -= timedelta(minutes=2)
    await asyncio.wait_for(noticed, 60)
