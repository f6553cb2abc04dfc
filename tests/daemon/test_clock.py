"""Waiting ends when the process is asked to leave."""

from __future__ import annotations

import asyncio

import pytest

from rotator.daemon.clock import SystemClock
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
