"""The event loop's clock, which a test moves ahead instead of waiting."""

from __future__ import annotations

import asyncio
import time


class Later:
    """Moves the loop's clock ahead, so that timers are due without a wait."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.seconds

    async def by(self, seconds: float) -> None:
        self.seconds += seconds
        for _ in range(3):  # a timer runs one turn of the loop after it is due; what it closes, one more
            await asyncio.sleep(0)
