"""Pull delivery: fetches events from an Event Grid namespace, makes them durable, and then acknowledges them.

Whatever crashes in between, an event that was not acknowledged is delivered again when its lock expires.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from rotator.config.schema.pull import MIN_WAIT, PullSettings
from rotator.diagnostics import exception_details, exception_summary
from rotator.errors import RotatorError, Unavailable, requested_pause
from rotator.eventgrid.events import TokenEvent
from rotator.eventgrid.pull.batch import EventGroup, read_batch, release_delay
from rotator.eventgrid.webhook import OTHER, CountEvent, HandleEvents
from rotator.ports import EventQueue, FetchedEvent
from rotator.retry import Backoff

log = logging.getLogger(__name__)

T = TypeVar("T")

BACKOFF = Backoff(first=timedelta(seconds=1), longest=timedelta(minutes=1))
"""After rounds in which nothing could be fetched or made durable."""
GIVE_BACK_TIMEOUT = 3.0
"""Seconds that a cancelled puller takes to give back the events that it holds."""


@dataclass(frozen=True, slots=True)
class Timing:
    """backoff: the waits after failures in a row. lock_duration: the shortest that Azure grants; a longer one
    is merely renewed early. handle_timeout: for making the events about one token durable.
    """

    backoff: Backoff = BACKOFF
    lock_duration: timedelta = timedelta(seconds=60)
    handle_timeout: timedelta = timedelta(minutes=2)


class Puller:
    """Fetches one batch after the other. Any number of processes may do so: each event goes to one of them.

    report: gets "" after each successful fetch, with events or without, and a sentence after each failed one;
    within 12 s the first time.
    """

    def __init__(
        self,
        settings: PullSettings,
        queue: EventQueue,
        handle: HandleEvents,
        count_event: CountEvent,
        *,
        report: Callable[[str], None] = lambda _: None,
        timing: Timing | None = None,
    ) -> None:
        self._settings = settings
        self._queue = queue
        self._handle_events = handle
        self._count_event = count_event
        self._report = report
        self._timing = timing or Timing()
        self._problem: str | None = "no fetch has ended yet"

    async def run(self) -> None:
        """Fetch events until cancelled; raises nothing else. Then give back the events that it holds."""
        failures = 0
        while True:
            problem = await self._round()
            failures = failures + 1 if problem else 0
            if problem:
                await asyncio.sleep(self._wait(failures, problem))

    async def _round(self) -> RotatorError | None:
        """Fetch and handle one batch. Returns a problem if the next fetch has to wait."""
        try:
            fetched = await self._fetch()
            try:
                return await self._process(fetched) if fetched else None
            except asyncio.CancelledError:
                await self._give_back(fetched)
                raise
        except RotatorError as e:
            problem = e
        except Exception as e:  # noqa: BLE001 - the next round may go well
            log.error("no events can be fetched: %s", type(e).__name__, extra=exception_details(e))  # noqa: TRY400 - see diagnostics
            problem = Unavailable(f"internal error while fetching events ({type(e).__name__})")
        self._failed(problem)
        return problem

    async def _fetch(self) -> list[FetchedEvent]:
        # Readiness depends on the first answer: it should not take a minute.
        wait = MIN_WAIT if self._problem else self._settings.max_wait
        begun = _monotonic()
        fetched = await self._queue.receive(self._settings.max_events, wait)
        self._succeeded()
        if not fetched:
            # A server that answers at once, and with nothing, must not be asked in a tight loop.
            await asyncio.sleep(begun + self._timing.backoff.first.total_seconds() - _monotonic())
        return fetched

    def _succeeded(self) -> None:
        if self._problem is not None:
            log.info("events are fetched from %s/%s", self._settings.topic, self._settings.subscription)
        self._problem = None
        self._report("")

    def _failed(self, problem: RotatorError) -> None:
        if str(problem) != self._problem:
            log.warning("no events can be fetched: %s", problem)
        self._problem = str(problem)
        self._report(self._problem)

    def _wait(self, failures: int, problem: RotatorError) -> float:
        """Return seconds: 1, 2 … 60, or what Event Grid asked for, and up to a quarter more."""
        asked = requested_pause(problem)
        jitter = random.random()  # noqa: S311 - no secret
        return self._timing.backoff.delay(failures, asked, jitter=jitter).total_seconds()

    async def _process(self, fetched: Sequence[FetchedEvent]) -> RotatorError | None:
        batch = read_batch(fetched)
        for outcome, count in (("ignored", len(batch.ignored)), ("invalid", len(batch.invalid))):
            for _ in range(count):
                self._count_event(OTHER, outcome)
        if batch.ignored:
            await self._settle("acknowledged", batch.ignored, self._queue.acknowledge(batch.ignored))
        if batch.invalid:
            for reason, count in batch.reasons.items():
                log.warning("%d events are rejected: %s", count, reason)
            await self._settle("rejected", batch.invalid, self._queue.reject(batch.invalid))
        if not batch.groups:
            return None
        work = asyncio.gather(*(self._handled(group.event) for group in batch.groups))
        outcomes = await self._locked([lock for group in batch.groups for lock in group.locks], work)
        return await self._close(list(zip(batch.groups, outcomes, strict=True)))

    async def _handled(self, event: TokenEvent) -> str | RotatorError:
        """Return the event's outcome, or why it has to be delivered again. Each event is handled by itself:
        an unreachable cluster does not delay the events of others.
        """
        try:
            async with asyncio.timeout(self._timing.handle_timeout.total_seconds()):
                (outcome,) = await self._handle_events([event])
        except TimeoutError:
            return Unavailable("an event could not be made durable in time")
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) and task.cancelling():
                raise
            # The handler was cancelled, not the puller: that must not end the puller silently.
            return Unavailable("an event could not be made durable: that was interrupted")
        except RotatorError as e:
            return e
        except Exception as e:  # noqa: BLE001 - the event is delivered again; nothing is lost
            log.error("event put off: %s", type(e).__name__, extra=exception_details(e))  # noqa: TRY400 - see diagnostics
            return Unavailable(f"an event could not be made durable ({type(e).__name__})")
        return outcome

    async def _locked(self, locks: Sequence[str], work: asyncio.Future[T]) -> T:
        """Await work, and renew the locks whenever half of their duration is over."""
        half = self._timing.lock_duration.total_seconds() / 2
        try:
            while not (await asyncio.wait({work}, timeout=half))[0]:
                await self._settle("kept", locks, self._queue.renew(locks))
            return work.result()
        finally:
            if work.cancel():
                await asyncio.wait({work})

    async def _close(self, done: Sequence[tuple[EventGroup, str | RotatorError]]) -> RotatorError | None:
        """Acknowledge the durable events, give back the others. Returns a problem if none is durable: events
        fetched meanwhile would only use up their deliveries.
        """
        finished: list[str] = []
        postponed: dict[timedelta, list[str]] = defaultdict(list)
        problems: Counter[str] = Counter()
        for group, outcome in done:
            for n, fetched in enumerate(group.fetched):
                if isinstance(outcome, RotatorError):
                    self._count_event(group.event.kind.value, "postponed")
                    postponed[release_delay(fetched.deliveries, outcome)].append(fetched.lock)
                else:
                    # Each pod reports by itself: only the first event about a token says something new.
                    self._count_event(group.event.kind.value, "duplicate" if n else outcome)
                    finished.append(fetched.lock)
            if isinstance(outcome, RotatorError):
                problems[str(outcome)] += 1
        for sentence, count in problems.items():
            log.warning("events about %d tokens put off: %s", count, sentence)
        if finished:
            await self._settle("acknowledged", finished, self._queue.acknowledge(finished))
        for wait, locks in postponed.items():
            await self._settle("given back", locks, self._queue.release(locks, wait))
        return None if finished else Unavailable("nothing could be made durable")

    async def _settle(self, what: str, locks: Sequence[str], call: Awaitable[int]) -> None:
        """Await call. Events that it does not settle are delivered again when their locks expire."""
        try:
            lost = await call
        except RotatorError as e:
            log.warning("%d events could not be %s and are delivered again: %s", len(locks), what, e)
            return
        if lost:
            log.warning("%d events could not be %s: their locks were lost", lost, what)

    async def _give_back(self, fetched: Sequence[FetchedEvent]) -> None:
        """Release the events on cancellation, whatever fails. Those that are settled already stay settled."""
        try:
            async with asyncio.timeout(GIVE_BACK_TIMEOUT):
                await self._queue.release([f.lock for f in fetched], timedelta())
        except Exception as e:  # noqa: BLE001 - they are delivered again when their locks expire
            log.warning("%d events were not given back: %s", len(fetched), exception_summary(e))


def _monotonic() -> float:
    return asyncio.get_running_loop().time()
