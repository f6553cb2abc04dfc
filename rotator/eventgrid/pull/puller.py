"""Pull delivery: events are fetched from an Event Grid namespace, made durable, and acknowledged then.

Whatever dies in between, an event that was not acknowledged comes again when its lock runs out.
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

from rotator.config.schema.pull import SHORTEST_WAIT, PullSettings
from rotator.diagnostics import exception_details
from rotator.errors import RotatorError, Unavailable
from rotator.eventgrid.events import TokenEvent
from rotator.eventgrid.pull.batch import Complaint, delay, read_batch
from rotator.eventgrid.webhook import OTHER, CountEvent, Dispatch
from rotator.ports import EventQueue, FetchedEvent
from rotator.retry import Backoff

log = logging.getLogger(__name__)

T = TypeVar("T")

BACKOFF = Backoff(first=timedelta(seconds=1), longest=timedelta(minutes=1))
"""After rounds in which nothing could be fetched or made durable."""
GOODBYE = 3.0
"""Seconds that a cancelled puller takes to give back what it holds."""


@dataclass(frozen=True, slots=True)
class Pace:
    """backoff: the waits after failures in a row. lock: the shortest that Azure grants; a longer one is
    merely renewed early. dispatch: how long the events of one token may take to be made durable.
    """

    backoff: Backoff = BACKOFF
    lock: timedelta = timedelta(seconds=60)
    dispatch: timedelta = timedelta(minutes=2)


class Puller:
    """Fetches one batch after the other. Any number of processes may do so: each event goes to one of them.

    tell: gets "" after each answer
    of Event Grid, with events or without, and a sentence after each that failed; within 12 s the first time.
    """

    def __init__(
        self,
        settings: PullSettings,
        queue: EventQueue,
        dispatch: Dispatch,
        count_event: CountEvent,
        *,
        tell: Callable[[str], None] = lambda _: None,
        pace: Pace | None = None,
    ) -> None:
        self._settings = settings
        self._queue = queue
        self._dispatch = dispatch
        self._observe = count_event
        self._tell = tell
        self._pace = pace or Pace()
        self._problem: str | None = "not looked at yet"

    async def run(self) -> None:
        """Fetch events until cancelled; raises nothing else. Events held at that moment are given back."""
        failures = 0
        while True:
            problem = await self._round()
            failures = failures + 1 if problem else 0
            if problem:
                await asyncio.sleep(self._wait(failures, problem))

    async def _round(self) -> RotatorError | None:
        """Return why the next round should not begin at once, if so."""
        try:
            fetched = await self._fetch()
            try:
                return await self._handle(fetched) if fetched else None
            except asyncio.CancelledError:
                await self._give_back(fetched)
                raise
        except RotatorError as e:
            problem = e
        except Exception as e:  # noqa: BLE001 - the next round may go well
            log.error("no events can be fetched: %s", type(e).__name__, extra=exception_details(e))  # noqa: TRY400 - see mishaps
            problem = Unavailable(f"fetching events failed unforeseen ({type(e).__name__})")
        self._failed(problem)
        return problem

    async def _fetch(self) -> list[FetchedEvent]:
        # The first answer tells whether all is well: it should not take a minute.
        wait = SHORTEST_WAIT if self._problem else self._settings.max_wait
        begun = _monotonic()
        fetched = await self._queue.receive(self._settings.max_events, wait)
        self._fine()
        if not fetched:
            # Whatever answers at once, and with nothing, must not be asked in a tight loop.
            await asyncio.sleep(begun + self._pace.backoff.first.total_seconds() - _monotonic())
        return fetched

    def _fine(self) -> None:
        if self._problem is not None:
            log.info("events are fetched from %s/%s", self._settings.topic, self._settings.subscription)
        self._problem = None
        self._tell("")

    def _failed(self, problem: RotatorError) -> None:
        if str(problem) != self._problem:
            log.warning("no events can be fetched: %s", problem)
        self._problem = str(problem)
        self._tell(self._problem)

    def _wait(self, failures: int, problem: RotatorError) -> float:
        """Return 1 s, 2 s … 1 min, or what was asked for, and up to a quarter more."""
        asked = problem.retry_after if isinstance(problem, Unavailable) else None
        jitter = random.random()  # noqa: S311 - no secret
        return self._pace.backoff.delay(failures, asked, jitter=jitter).total_seconds()

    async def _handle(self, fetched: Sequence[FetchedEvent]) -> RotatorError | None:
        batch = read_batch(fetched)
        for outcome, count in (("ignored", len(batch.strange)), ("invalid", len(batch.poison))):
            for _ in range(count):
                self._observe(OTHER, outcome)
        if batch.strange:
            await self._settle("acknowledged", batch.strange, self._queue.acknowledge(batch.strange))
        if batch.poison:
            for why, count in batch.whys.items():
                log.warning("%d events are rejected: %s", count, why)
            await self._settle("rejected", batch.poison, self._queue.reject(batch.poison))
        if not batch.complaints:
            return None
        work = asyncio.gather(*(self._dispatched(c.event) for c in batch.complaints))
        outcomes = await self._locked([lock for c in batch.complaints for lock in c.locks], work)
        return await self._close(list(zip(batch.complaints, outcomes, strict=True)))

    async def _dispatched(self, event: TokenEvent) -> str | RotatorError:
        """Return what became of the event, or why it has to come again. Each is dispatched by itself: one
        cluster that is away holds nobody else's events up.
        """
        try:
            async with asyncio.timeout(self._pace.dispatch.total_seconds()):
                (outcome,) = await self._dispatch([event])
        except TimeoutError:
            return Unavailable("an event could not be made durable in time")
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) and task.cancelling():
                raise
            # Whoever dispatches was stopped, not we: that must not end the puller without a word.
            return Unavailable("an event could not be made durable: that was interrupted")
        except RotatorError as e:
            return e
        except Exception as e:  # noqa: BLE001 - the event comes again; nothing may be lost with it
            log.error("event put off: %s", type(e).__name__, extra=exception_details(e))  # noqa: TRY400 - see mishaps
            return Unavailable(f"an event could not be made durable ({type(e).__name__})")
        return outcome

    async def _locked(self, locks: Sequence[str], work: asyncio.Future[T]) -> T:
        """Await work, and renew the locks whenever half of their time is over."""
        half = self._pace.lock.total_seconds() / 2
        try:
            while not (await asyncio.wait({work}, timeout=half))[0]:
                await self._settle("kept", locks, self._queue.renew(locks))
            return work.result()
        finally:
            if work.cancel():
                await asyncio.wait({work})

    async def _close(self, done: Sequence[tuple[Complaint, str | RotatorError]]) -> RotatorError | None:
        """Acknowledge what lasts now, give back the rest. Returns a problem if nothing lasts: events that are
        fetched meanwhile would only use their deliveries up.
        """
        finished: list[str] = []
        postponed: dict[timedelta, list[str]] = defaultdict(list)
        problems: Counter[str] = Counter()
        for complaint, outcome in done:
            for n, fetched in enumerate(complaint.pods):
                if isinstance(outcome, RotatorError):
                    self._observe(complaint.event.kind.value, "postponed")
                    postponed[delay(fetched.deliveries, outcome)].append(fetched.lock)
                else:
                    # Each pod complains by itself: only the first says something new.
                    self._observe(complaint.event.kind.value, "duplicate" if n else outcome)
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
        """What cannot be settled comes again when its lock runs out: a duplicate, if it was dealt with."""
        try:
            lost = await call
        except RotatorError as e:
            log.warning("%d events could not be %s and come again: %s", len(locks), what, e)
            return
        if lost:
            log.warning("%d events could not be %s: others have them, or will", lost, what)

    async def _give_back(self, fetched: Sequence[FetchedEvent]) -> None:
        """Whatever goes wrong here: the puller leaves. What was settled already stays so."""
        try:
            async with asyncio.timeout(GOODBYE):
                await self._queue.release([f.lock for f in fetched], timedelta())
        except Exception as e:  # noqa: BLE001 - they come again when their locks run out
            why = e if isinstance(e, RotatorError) else type(e).__name__
            log.warning("%d events were not given back on leaving: %s", len(fetched), why)


def _monotonic() -> float:
    return asyncio.get_running_loop().time()
