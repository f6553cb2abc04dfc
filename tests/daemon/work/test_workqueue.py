from __future__ import annotations

import asyncio
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.daemon.work.workqueue import WorkQueue


class Work:
    """Runs until told: each run waits for its turn, so a test decides what happens in between."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, frozenset[str]]] = []
        self.running: dict[str, asyncio.Future[None]] = {}

    async def __call__(self, name: str, causes: frozenset[str]) -> None:
        assert name not in self.running, "two runs of one name"
        self.begun.append((name, causes))
        self.running[name] = asyncio.get_running_loop().create_future()
        try:
            await self.running[name]
        finally:
            del self.running[name]

    def end(self, name: str, error: Exception | None = None) -> None:
        future = self.running[name]
        future.set_exception(error) if error else future.set_result(None)


async def turn() -> None:
    """Let everything that can go on go on."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_duplicate_wake_ups_coalesce_into_one_run() -> None:
    work = Work()
    async with asyncio.TaskGroup() as group:
        queue = WorkQueue(work, group)
        for cause in ("schedule", "event", "event"):
            queue.wake("oslo", cause)
        await turn()
        work.end("oslo")
        await queue.idle()
    assert work.begun == [("oslo", frozenset({"schedule", "event"}))]


async def test_a_wakeup_during_a_run_causes_exactly_one_more() -> None:
    work = Work()
    async with asyncio.TaskGroup() as group:
        queue = WorkQueue(work, group)
        queue.wake("oslo", "a")
        await turn()
        queue.wake("oslo", "b")
        queue.wake("oslo", "c")
        await turn()
        assert len(work.begun) == 1
        work.end("oslo")
        await turn()
        work.end("oslo")
        await queue.idle()
    assert work.begun[1:] == [("oslo", frozenset({"b", "c"}))]


async def test_one_name_does_not_wait_for_another() -> None:
    work = Work()
    async with asyncio.TaskGroup() as group:
        queue = WorkQueue(work, group)
        queue.wake("oslo", "a")
        queue.wake("bergen", "a")
        await turn()
        assert set(work.running) == {"oslo", "bergen"}
        work.end("oslo")
        work.end("bergen")


async def test_an_error_is_told_without_its_text_and_ends_nothing_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    work = Work()
    async with asyncio.TaskGroup() as group:
        queue = WorkQueue(work, group)
        queue.wake("oslo", "a")
        queue.wake("bergen", "a")
        await turn()
        with caplog.at_level(logging.ERROR):
            work.end("oslo", ValueError("GatewayKey of somebody"))
            await turn()
        queue.wake("oslo", "b")
        await turn()
        work.end("oslo")
        work.end("bergen")
        await queue.idle()
    assert "oslo failed: ValueError" in caplog.text
    assert "GatewayKey" not in caplog.text
    assert work.begun[-1] == ("oslo", frozenset({"b"}))


async def test_a_stray_cancellation_inside_work_loses_no_wakeup() -> None:
    work = Work()
    async with asyncio.TaskGroup() as group:
        queue = WorkQueue(work, group)
        queue.wake("oslo", "a")
        await turn()
        queue.wake("oslo", "b")
        work.running["oslo"].cancel()
        await turn()
        assert work.begun[-1] == ("oslo", frozenset({"b"}))
        work.end("oslo")


async def test_a_wakeup_in_the_very_moment_in_which_a_run_ends_is_not_lost() -> None:
    begun: list[frozenset[str]] = []

    async def work(name: str, causes: frozenset[str]) -> None:
        begun.append(causes)
        if len(begun) == 1:
            asyncio.get_running_loop().call_soon(queue.wake, name, "late")

    async with asyncio.TaskGroup() as group:
        queue = WorkQueue(work, group)
        queue.wake("oslo", "a")
        await turn()
    assert begun == [frozenset({"a"}), frozenset({"late"})]


async def test_after_close_nothing_new_begins_and_idle_waits_for_what_runs() -> None:
    work = Work()
    async with asyncio.TaskGroup() as group:
        queue = WorkQueue(work, group)
        queue.wake("oslo", "a")
        await turn()
        queue.wake("oslo", "b")
        queue.close()
        queue.wake("bergen", "c")
        waiting = asyncio.ensure_future(queue.idle())
        await turn()
        assert not waiting.done()
        work.end("oslo")
        await waiting
    assert work.begun == [("oslo", frozenset({"a"}))]


async def test_cancelling_the_group_ends_the_runs() -> None:
    work = Work()
    with pytest.raises(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            queue = WorkQueue(work, group)
            queue.wake("oslo", "a")
            await turn()
            raise RuntimeError
    await queue.idle()
    assert not work.running


moves = st.lists(st.tuples(st.sampled_from("wefgt"), st.sampled_from(["oslo", "bergen"])), max_size=40)


@given(moves)
def test_whatever_the_order_each_wakeup_is_followed_by_a_run_that_knows_its_cause(
    moves: list[tuple[str, str]],
) -> None:
    """w: wake, e: end, f: fail, g: end and wake in the same breath, t: let time pass."""
    asyncio.run(play(moves))


async def play(moves: list[tuple[str, str]]) -> None:
    work, asked = Work(), {"oslo": set[str](), "bergen": set[str]()}
    async with asyncio.TaskGroup() as group:
        queue = WorkQueue(work, group)
        for n, (move, name) in enumerate(moves):
            if move in "efg" and name in work.running and not work.running[name].done():
                work.end(name, ValueError() if move == "f" else None)
            if move in "wg":
                queue.wake(name, str(n))
                asked[name].add(str(n))
            if move == "t":
                await asyncio.sleep(0)
        await turn()
        while work.running:
            for name in list(work.running):
                work.end(name)
            await turn()
        await asyncio.wait_for(queue.idle(), 60)
    for name, causes in asked.items():
        ran = [c for n, cs in work.begun if n == name for c in cs]
        assert sorted(ran) == sorted(causes), "each cause belongs to exactly one run"
