"""Runs the work of each name one at a time: triggers that come together coalesce, none is lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from rotator.diagnostics import exception_details

log = logging.getLogger(__name__)

Work = Callable[[str, frozenset[str]], Awaitable[None]]


class WorkQueue:
    """A dirty flag per name. Schedulers drop a wake-up that comes while its job runs; this does not."""

    def __init__(self, work: Work, group: asyncio.TaskGroup) -> None:
        self._work = work
        self._group = group
        self._causes: dict[str, set[str]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._closed = False

    def wake(self, name: str, cause: str) -> None:
        """Run `work(name, causes)` soon; if it runs already, once more right after, with all causes
        that came meanwhile. Without effect after close().
        """
        if self._closed:
            return
        self._causes.setdefault(name, set()).add(cause)
        if name not in self._tasks:
            self._quiet.clear()
            self._tasks[name] = task = self._group.create_task(self._run(name), name=f"work on {name}")
            task.add_done_callback(lambda _: self._ended(name, task))

    async def idle(self) -> None:
        """Return when nothing runs and nothing waits."""
        await self._quiet.wait()

    def close(self) -> None:
        """Begin no new run. Those under way go on: wait for them with idle()."""
        self._closed = True
        self._causes.clear()

    def abandon(self) -> None:
        """Cancel the runs under way: what they did so far is on the objects."""
        for task in self._tasks.values():
            task.cancel()

    async def _run(self, name: str) -> None:
        while causes := self._causes.pop(name, None):
            await self._once(name, frozenset(causes))
        # Without an await since the last check of the causes: a wake-up from now on starts a new task.
        self._ended(name, self._tasks[name])

    async def _once(self, name: str, causes: frozenset[str]) -> None:
        try:
            await self._work(name, causes)
        except asyncio.CancelledError as e:
            if (task := asyncio.current_task()) and task.cancelling():
                raise
            # A future that work awaited was cancelled, not this task.
            self._tell(name, e)
        except Exception as e:  # noqa: BLE001 - one gateway's trouble is no other gateway's
            self._tell(name, e)

    def _tell(self, name: str, error: BaseException) -> None:
        log.error(
            "work on %s failed: %s",
            name,
            type(error).__name__,
            extra={"gateway": name, **exception_details(error)},
        )

    def _ended(self, name: str, task: asyncio.Task[None]) -> None:
        if self._tasks.get(name) is task:
            del self._tasks[name]
        if not self._tasks:
            self._quiet.set()
