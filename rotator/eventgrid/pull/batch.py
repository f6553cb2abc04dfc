"""Sorts what was fetched, and says when what could not be dealt with should come again. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from rotator.errors import RotatorError, Unavailable
from rotator.eventgrid.events import EventKey, TokenEvent, read_event
from rotator.ports import FetchedEvent

DELAYS = tuple(timedelta(seconds=s) for s in (10, 10, 60, 60, 600, 600, 3600))
"""How long an event is given back for, by how often it came; the wire knows 0, 10, 60, 600 and 3600 s.
Each time counts as a delivery, of which a subscription grants 10 at most: these last for three hours.
"""


@dataclass(frozen=True, slots=True)
class Complaint:
    """What all pods say that have the same token; event is the first one's."""

    event: TokenEvent
    pods: tuple[FetchedEvent, ...]

    @property
    def locks(self) -> list[str]:
        return [pod.lock for pod in self.pods]


@dataclass(frozen=True, slots=True)
class Batch:
    """strange, poison: the locks of what is none of our business, and of what should be an event of ours or
    any event at all, and cannot be read. whys: why, without quoting it.
    """

    complaints: tuple[Complaint, ...]
    strange: list[str]
    poison: list[str]
    whys: Counter[str]


def read_batch(fetched: Sequence[FetchedEvent]) -> Batch:
    """Sort events by what they mean. Never raises, whatever is in them."""
    pods: dict[EventKey, list[tuple[FetchedEvent, TokenEvent]]] = {}
    strange: list[str] = []
    poison: list[str] = []
    whys: Counter[str] = Counter()
    for one in fetched:
        event = read_event(one.event)
        if isinstance(event, TokenEvent):
            pods.setdefault(event.key, []).append((one, event))
        elif event.invalid:
            poison.append(one.lock)
            whys[event.reason] += 1
        else:
            strange.append(one.lock)
    complaints = (Complaint(group[0][1], tuple(one for one, _ in group)) for group in pods.values())
    return Batch(tuple(complaints), strange, poison, whys)


def delay(deliveries: int, problem: RotatorError) -> timedelta:
    """Return one of the delays that the wire knows, no shorter than what was asked for, if there is one."""
    asked = problem.retry_after if isinstance(problem, Unavailable) else None
    usual = DELAYS[min(max(deliveries, 1), len(DELAYS)) - 1]
    return next((d for d in DELAYS if d >= max(usual, asked or usual)), DELAYS[-1])
