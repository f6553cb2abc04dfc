"""The time of day, until the process is asked to leave."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

from rotator.errors import Stopping

GRACE = timedelta(seconds=10)
"""How long requests and the step under way may take once they shall end (Kubernetes grants 30 s)."""


class SystemClock:
    """Implements the port Clock. stop: set once, when the process shall leave."""

    def __init__(self, stop: asyncio.Event) -> None:
        self.stop = stop

    def now(self) -> datetime:
        return datetime.now(UTC)

    def checkpoint(self) -> None:
        if self.stop.is_set():
            raise Stopping("asked to leave")

    async def wait(self, change: Coroutine[Any, Any, None]) -> None:
        """Wait for change, and give it up as soon as stop is set (Stopping)."""
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
