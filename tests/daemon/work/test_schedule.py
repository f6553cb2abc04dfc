from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.daemon.work.schedule import Schedule, stable_jitter


class Woken(asyncio.Queue[str]):
    async def next(self) -> str:
        return await asyncio.wait_for(self.get(), 60)


def soon(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


async def test_a_name_is_woken_when_it_is_due_and_once() -> None:
    woken = Woken()
    schedule = Schedule(woken.put_nowait)
    schedule.start()
    begun = asyncio.get_running_loop().time()
    schedule.set("oslo", soon(0.2))
    schedule.set("bergen", soon(0.4))
    assert [await woken.next(), await woken.next()] == ["oslo", "bergen"]
    assert asyncio.get_running_loop().time() - begun > 0.35
    assert schedule.due("oslo") is None
    schedule.stop()


async def test_the_past_is_due_at_once_however_long_ago() -> None:
    woken = Woken()
    schedule = Schedule(woken.put_nowait)
    schedule.set("oslo", soon(-86_400))
    schedule.start()
    assert await woken.next() == "oslo"
    schedule.stop()


async def test_a_new_time_replaces_the_old_one() -> None:
    woken = Woken()
    schedule = Schedule(woken.put_nowait)
    schedule.start()
    schedule.set("oslo", soon(3600))
    later = soon(0.1)
    schedule.set("oslo", later)
    assert schedule.due("oslo") == later
    assert await woken.next() == "oslo"
    schedule.stop()


async def test_a_blocked_loop_delays_a_wakeup_and_does_not_drop_it() -> None:
    import time

    woken = Woken()
    schedule = Schedule(woken.put_nowait)
    schedule.start()
    schedule.set("oslo", soon(0.05))
    time.sleep(1.3)  # APScheduler's own grace is one second
    assert await woken.next() == "oslo"
    schedule.stop()


@pytest.mark.parametrize("turns", range(6))
async def test_after_stop_no_gateway_is_woken(turns: int) -> None:
    """However far a due job has come through the event loop by then."""
    woken = Woken()
    schedule = Schedule(woken.put_nowait)
    schedule.start()
    schedule.set("oslo", soon(-1))
    for _ in range(turns):
        await asyncio.sleep(0)
    before = woken.qsize()
    schedule.stop()
    schedule.set("bergen", soon(-1))
    for _ in range(20):
        await asyncio.sleep(0)
    assert woken.qsize() == before


async def test_the_clock_is_looked_at_every_minute_even_if_nothing_is_due_for_a_year() -> None:
    schedule = Schedule(lambda _: None)
    schedule.start()
    schedule.set("oslo", soon(365 * 86_400))
    await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    timers = [handle.when() - loop.time() for handle in loop._scheduled]  # type: ignore[attr-defined]  # no other way to see it
    assert min(timers) <= 60
    schedule.stop()


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Schedule(lambda _: None).set("oslo", datetime(2030, 1, 1))  # noqa: DTZ001 - the point of the test


@given(st.text(), st.integers(1, 10**6))
def test_jitter_is_within_the_spread_and_stays(name: str, seconds: int) -> None:
    spread = timedelta(seconds=seconds)
    assert timedelta() <= stable_jitter(name.encode(errors="replace").decode(), spread) < spread


def test_jitter_is_the_same_in_every_version() -> None:
    assert stable_jitter("oslo", timedelta(hours=1)) == timedelta(minutes=33, seconds=16)
    assert len({stable_jitter(f"gateway-{n}", timedelta(hours=1)) for n in range(100)}) > 90
