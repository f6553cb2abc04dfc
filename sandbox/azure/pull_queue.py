"""One subscription of a namespace topic: events wait, are locked for who takes them, come again or end."""

from __future__ import annotations

import base64
import itertools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from sandbox.azure.events import Json

BAD, LOST = "BadToken", "TokenLost"
REJECTED, EXHAUSTED = "Rejected", "MaxDeliveryCountExceeded"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that is handed out no more; `reason` is REJECTED or EXHAUSTED."""

    event: Json = field(repr=False)
    deliveries: int
    reason: str


@dataclass(frozen=True, slots=True)
class Locked:
    """An event as one consumer has it; `deliveries` counts this one."""

    token: str
    event: Json = field(repr=False)
    deliveries: int


@dataclass(slots=True, eq=False)
class _Kept:
    event: Json
    deliveries: int = 0
    token: str = ""
    hidden_until: float = 0.0


class PullQueue:
    """Seconds are the clock's own (monotonic). A lock that ran out counts as a delivery, as a release does.

    After `max_deliveries` an event is dead ("Pull delivery overview", Event Grid namespaces: lock duration 60
    to 300 s, at most 10 deliveries). `done` lists what was acknowledged, `dead` what was given up.
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
        self._kept: list[_Kept] = []
        self._tokens = itertools.count(1)
        self._issued: set[str] = set()

    @property
    def waiting(self) -> int:
        """How many events are neither done nor dead, locked ones included."""
        self._look()
        return len(self._kept)

    @property
    def locked(self) -> int:
        """How many events somebody holds now."""
        self._look()
        return sum(bool(kept.token) for kept in self._kept)

    def put(self, events: Iterable[Json]) -> None:
        """Add events at the end."""
        self._kept.extend(_Kept(event) for event in events)

    def take(self, most: int) -> list[Locked]:
        """Lock and return what can be had now, at most so many."""
        self._look()
        now = self._clock()
        free = [kept for kept in self._kept if not kept.token and kept.hidden_until <= now][:most]
        for kept in free:
            kept.deliveries += 1
            kept.token = self._token()
            kept.hidden_until = now + self.lock_seconds
        return [Locked(kept.token, kept.event, kept.deliveries) for kept in free]

    def next_change(self) -> float | None:
        """Seconds until a hidden event may be had again; None: nothing changes by time alone."""
        now = self._clock()
        return min((k.hidden_until - now for k in self._kept if k.hidden_until > now), default=None)

    def acknowledge(self, token: str) -> str:
        """End the event; returns BAD, LOST or, if it worked, nothing. So do the others."""
        kept = self._held(token)
        if kept:
            self._kept.remove(kept)
            self.done.append(kept.event)
        return "" if kept else self._problem(token)

    def release(self, token: str, delay: float = 0.0) -> str:
        """Give the event back, to be had after `delay` seconds."""
        kept = self._held(token)
        if kept:
            self._free(kept, self._clock() + delay)
        return "" if kept else self._problem(token)

    def reject(self, token: str) -> str:
        """Give the event up."""
        kept = self._held(token)
        if kept:
            self._bury(kept, REJECTED)
        return "" if kept else self._problem(token)

    def renew(self, token: str) -> str:
        """Lock the event for a whole lock duration from now."""
        kept = self._held(token)
        if kept:
            kept.hidden_until = self._clock() + self.lock_seconds
        return "" if kept else self._problem(token)

    def _look(self) -> None:
        """Take the locks that ran out away."""
        now = self._clock()
        for kept in [k for k in self._kept if k.token and k.hidden_until <= now]:
            self._free(kept, kept.hidden_until)

    def _free(self, kept: _Kept, hidden_until: float) -> None:
        if kept.deliveries >= self.max_deliveries:
            self._bury(kept, EXHAUSTED)
        kept.token, kept.hidden_until = "", hidden_until

    def _bury(self, kept: _Kept, reason: str) -> None:
        self._kept.remove(kept)
        self.dead.append(DeadLetter(kept.event, kept.deliveries, reason))

    def _held(self, token: str) -> _Kept | None:
        self._look()
        return next((kept for kept in self._kept if kept.token == token), None) if token else None

    def _problem(self, token: str) -> str:
        return LOST if token in self._issued else BAD

    def _token(self) -> str:
        token = base64.b64encode(f"lock-{next(self._tokens)}".encode()).decode()
        self._issued.add(token)
        return token
