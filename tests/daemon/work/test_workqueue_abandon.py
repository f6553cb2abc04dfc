"""Leaving does not wait for what hangs."""

from __future__ import annotations

import asyncio

from rotator.daemon.work.workqueue import WorkQueue


async def test_abandoned_work_ends_and_nothing_is_left_to_wait_for() -> None:
    begun, ended = asyncio.Event(), []

    async def hang(name: str, causes: frozenset[str]) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    async with asyncio.TaskGroup() as group:
        queue = WorkQueue(hang, group)
        queue.wake("oslo", "test")
        await begun.wait()
        queue.close()
        queue.abandon()
        await queue.idle()
    assert ended == ["oslo"]
