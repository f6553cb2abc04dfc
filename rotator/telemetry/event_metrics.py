"""The metrics of the events that Event Grid delivers, or that the rotator pulls."""

from __future__ import annotations

from datetime import datetime
from itertools import product
from math import nan

from prometheus_client import CollectorRegistry, Counter, Gauge

EVENT_TYPES = ("NearExpiry", "Expired", "Other")
EVENT_OUTCOMES = ("accepted", "duplicate", "stale", "foreign", "ignored", "invalid", "postponed")
DELIVERY_OUTCOMES = ("unauthenticated", "forbidden", "undecided", "throttled", "foreign-subscription")
"""Outcomes of deliveries that are refused before their events are read. They count as type Other."""
OUTCOMES = frozenset({*EVENT_OUTCOMES, *DELIVERY_OUTCOMES})


class EventMetrics:
    """Creates every series at the start, so that no sender can create one."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._events = Counter(
            "rotator_events",
            "Events by type and outcome.",
            ["type", "outcome"],
            registry=registry,
        )
        self._pulled_at = Gauge(
            "rotator_pull_last_success_timestamp_seconds",
            "When Event Grid last answered a request for events; NaN where nothing is pulled.",
            registry=registry,
        )
        self._pulled_at.set(nan)
        for kind, outcome in product(EVENT_TYPES, EVENT_OUTCOMES):
            self._events.labels(kind, outcome)
        for outcome in DELIVERY_OUTCOMES:
            self._events.labels("Other", outcome)

    def event(self, kind: str, outcome: str) -> None:
        """Count an event; an unknown type counts as Other, an unknown outcome as ignored."""
        self._events.labels(
            kind if kind in EVENT_TYPES else "Other", outcome if outcome in OUTCOMES else "ignored"
        ).inc()

    def pulled(self, at: datetime) -> None:
        """Note that Event Grid answered a request for events."""
        self._pulled_at.set(at.timestamp())
