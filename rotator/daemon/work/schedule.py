"""Wakes each gateway at its due time, whether or not an event arrives."""

# APScheduler 3 has no type hints.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

HEARTBEAT = timedelta(seconds=60)
"""Bounds how late a gateway is woken after the clock was set or the host was suspended."""


class Schedule:
    """One due time per name. `wake(name)` is called in the event loop; it must be quick and not raise.

    APScheduler computes its next wait once, on the monotonic clock: a heartbeat bounds how late a
    job is after the host was suspended or the clock was set (kept apart by its id from all names).
    """

    def __init__(self, wake: Callable[[str], None]) -> None:
        self._wake = wake
        self._stopped = False
        # The default grace of one second would drop a job that a busy loop made late.
        self._scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"misfire_grace_time": None, "coalesce": True}
        )
        self._scheduler.add_job(self._beat, IntervalTrigger(seconds=HEARTBEAT.seconds), id="heartbeat")

    def set(self, name: str, at: datetime) -> None:
        """Wake name at that time instead of at its previous due time. A time in the past wakes it at once."""
        if at.tzinfo is None:
            raise ValueError("the time that a gateway is due at needs its time zone")
        if not self._stopped:
            self._scheduler.add_job(
                self._due, DateTrigger(at), args=[name], id=f"gateway {name}", replace_existing=True
            )

    def due(self, name: str) -> datetime | None:
        """Return when name is woken next (UTC); None if it has no due time."""
        job = self._scheduler.get_job(f"gateway {name}")
        return job.trigger.run_date.astimezone(UTC) if job else None

    def start(self) -> None:
        """Start in the running event loop."""
        self._scheduler.start()

    def stop(self) -> None:
        """Wake no gateway from now on."""
        self._stopped = True
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    async def _due(self, name: str) -> None:
        # A coroutine: APScheduler would run a plain function in a thread.
        if not self._stopped:
            self._wake(name)

    async def _beat(self) -> None:
        """Do nothing: the scheduler reads the clock again after each job."""


def stable_jitter(name: str, spread: timedelta) -> timedelta:
    """Return a duration in [0, spread) that depends on the name alone."""
    share = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) / 2**64
    return timedelta(seconds=int(spread.total_seconds() * share))
