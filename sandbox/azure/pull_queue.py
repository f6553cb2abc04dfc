"""One subscription of a namespace topic: events are queued, locked for a consumer, and delivered again."""

from __future__ import annotations

import base64
import itertools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sandbox.common import Json

BAD, LOST = "BadToken", "TokenLost"
REJECTED, EXHAUSTED = "Rejected", "MaxDeliveryCountExceeded"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that is not delivered any more; `reason` is REJECTED or EXHAUSTED."""

    event: Json = field(repr=False)
    deliveries: int
    reason: str


@dataclass(frozen=True, slots=True)
class Locked:
    """An event that one consumer has locked; `deliveries` includes this delivery."""

    token: str
    event: Json = field(repr=False)
    deliveries: int


@dataclass(slots=True, eq=False)
class _Queued:
    event: Json
    deliveries: int = 0
    token: str = ""
    hidden_until: float = 0.0


class PullQueue:
    """`clock` is monotonic, in seconds. An expired lock counts as a delivery, as a release does.

    After `max_deliveries` an event is dead ("Pull delivery overview", Event Grid namespaces: lock duration 60
    to 300 s, at most 10 deliveries). `done` lists acknowledged events, `dead` those given up.
    """

    def __init__(
        self,
        *,
        lock_seconds: float = 60.0,
        max_deliveries: int = 10,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.lock_seconds, self.max_deliveries = lock_seconds, max_deliveries
        self.done: list[Json] = []
        self.dead: list[DeadLetter] = []
        self._clock = clock
        self._queued: list[_Queued] = []
        self._tokens = itertools.count(1)
        self._issued: set[str] = set()

    @property
    def waiting(self) -> int:
        """The number of events that are neither done nor dead, including locked ones."""
        self._expire_locks()
        return len(self._queued)

    @property
    def locked(self) -> int:
        """The number of locked events."""
        self._expire_locks()
        return sum(bool(event.token) for event in self._queued)

    def put(self, events: Iterable[Json]) -> None:
        """Add events at the end."""
        self._queued.extend(_Queued(event) for event in events)

    def take(self, limit: int) -> list[Locked]:
        """Lock and return the events that are free now, at most `limit`."""
        self._expire_locks()
        now = self._clock()
        free = [event for event in self._queued if not event.token and event.hidden_until <= now][:limit]
        for event in free:
            event.deliveries += 1
            event.token = self._new_token()
            self._lock(event)
        return [Locked(event.token, event.event, event.deliveries) for event in free]

    def next_change(self) -> float | None:
        """Return the seconds until a hidden event is free again; None if no event is hidden."""
        now = self._clock()
        return min(
            (event.hidden_until - now for event in self._queued if event.hidden_until > now), default=None
        )

    def acknowledge(self, token: str) -> str:
        """Finish the event. Return BAD or LOST, or "" for success, as the methods below do."""
        return self._settle(token, self._finish)

    def release(self, token: str, delay: float = 0.0) -> str:
        """Give the event back; it is free after `delay` seconds."""
        return self._settle(token, lambda event: self._free(event, self._clock() + delay))

    def reject(self, token: str) -> str:
        """Give the event up as dead."""
        return self._settle(token, lambda event: self._give_up(event, REJECTED))

    def renew(self, token: str) -> str:
        """Restart the lock duration."""
        return self._settle(token, self._lock)

    def _settle(self, token: str, change: Callable[[_Queued], None]) -> str:
        self._expire_locks()
        event = next((event for event in self._queued if token and event.token == token), None)
        if event is None:
            return LOST if token in self._issued else BAD
        change(event)
        return ""

    def _lock(self, event: _Queued) -> None:
        event.hidden_until = self._clock() + self.lock_seconds

    def _finish(self, event: _Queued) -> None:
        self._queued.remove(event)
        self.done.append(event.event)

    def _expire_locks(self) -> None:
        """Free the events whose locks have expired."""
        now = self._clock()
        for event in [event for event in self._queued if event.token and event.hidden_until <= now]:
            self._free(event, event.hidden_until)

    def _free(self, event: _Queued, hidden_until: float) -> None:
        if event.deliveries >= self.max_deliveries:
            self._give_up(event, EXHAUSTED)
        event.token, event.hidden_until = "", hidden_until

    def _give_up(self, event: _Queued, reason: str) -> None:
        self._queued.remove(event)
        self.dead.append(DeadLetter(event.event, event.deliveries, reason))

    def _new_token(self) -> str:
        token = base64.b64encode(f"lock-{next(self._tokens)}".encode()).decode()
        self._issued.add(token)
        return token
