"""Groups pulled events by their meaning, and says when an event that was given back returns. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from rotator.errors import RotatorError, requested_pause
from rotator.eventgrid.events import EventKey, TokenEvent, read_event
from rotator.ports import FetchedEvent

RELEASE_DELAYS = tuple(timedelta(seconds=s) for s in (10, 10, 60, 60, 600, 600, 3600))
"""How long an event is given back for, by how often it was delivered. The API knows 0, 10, 60, 600, 3600 s.
A subscription grants 10 deliveries at most: these delays last for three hours.
"""


@dataclass(frozen=True, slots=True)
class EventGroup:
    """Duplicates: what all pods with the same token report. event: the first pod's."""

    event: TokenEvent
    fetched: tuple[FetchedEvent, ...]

    @property
    def locks(self) -> list[str]:
        return [fetched.lock for fetched in self.fetched]


@dataclass(frozen=True, slots=True)
class Batch:
    """ignored: locks of events of other types. invalid: locks of events that cannot be read; reasons: why,
    without quoting them, and how many.
    """

    groups: tuple[EventGroup, ...]
    ignored: list[str]
    invalid: list[str]
    reasons: Counter[str]


def read_batch(fetched: Sequence[FetchedEvent]) -> Batch:
    """Group events by their meaning. Never raises, whatever is in them."""
    duplicates: dict[EventKey, list[tuple[FetchedEvent, TokenEvent]]] = {}
    ignored: list[str] = []
    invalid: list[str] = []
    reasons: Counter[str] = Counter()
    for one in fetched:
        event = read_event(one.event)
        if isinstance(event, TokenEvent):
            duplicates.setdefault(event.key, []).append((one, event))
        elif event.invalid:
            invalid.append(one.lock)
            reasons[event.reason] += 1
        else:
            ignored.append(one.lock)
    groups = (EventGroup(group[0][1], tuple(one for one, _ in group)) for group in duplicates.values())
    return Batch(tuple(groups), ignored, invalid, reasons)


def release_delay(deliveries: int, problem: RotatorError) -> timedelta:
    """Return one of the delays that the API knows; if possible, no shorter than what problem asks for."""
    asked = requested_pause(problem)
    usual = RELEASE_DELAYS[min(max(deliveries, 1), len(RELEASE_DELAYS)) - 1]
    return next((d for d in RELEASE_DELAYS if d >= max(usual, asked or usual)), RELEASE_DELAYS[-1])
