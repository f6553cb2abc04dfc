"""The clock of a process that can be asked to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

from rotator.errors import Stopping

GRACE = timedelta(seconds=10)
"""Bounds how long requests and the step under way take after a stop signal. Kubernetes kills after 30 s."""

SET_BACK = timedelta(minutes=1)
"""The smallest jump backwards of this machine's clock that counts as set back."""


def utc_now() -> datetime:
    """Return the time of day by this machine's clock."""
    return datetime.now(UTC)


async def set_back(by: timedelta = SET_BACK, look_every: timedelta = GRACE) -> None:
    """Return once this machine's clock was set back by that much: due times are late by as much."""
    ticks = asyncio.get_running_loop().time
    most = lead = utc_now().timestamp() - ticks()
    while most - lead < by.total_seconds():
        await asyncio.sleep(look_every.total_seconds())
        lead = utc_now().timestamp() - ticks()
        most = max(most, lead)


class SystemClock:
    """Implements the port Clock. stop: set when the process has to stop. now: returns the time in UTC."""

    def __init__(self, stop: asyncio.Event, now: Callable[[], datetime] = utc_now) -> None:
        self.stop = stop
        self._now = now

    def now(self) -> datetime:
        return self._now()

    def checkpoint(self) -> None:
        if self.stop.is_set():
            raise Stopping("this process was asked to stop")

    async def wait(self, change: Coroutine[Any, Any, None]) -> None:
        """Wait for change; cancel it and raise Stopping as soon as stop is set."""
        waiting = asyncio.ensure_future(change)
        stopped = asyncio.ensure_future(self.stop.wait())
        try:
            await asyncio.wait({waiting, stopped}, return_when=asyncio.FIRST_COMPLETED)
            self.checkpoint()
            await waiting
        finally:
            for task in (waiting, stopped):
                task.cancel()
            await asyncio.gather(waiting, stopped, return_exceptions=True)
