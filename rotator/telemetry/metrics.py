"""The metrics of this process. Labels come from small closed sets, so series do not pile up."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import product
from math import nan

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from rotator import __version__
from rotator.core.steps import Rest
from rotator.core.words import Reason

RESULTS = ("rotated", "adopted", "unsettled", "failed", "interrupted")
EVENT_TYPES = ("NearExpiry", "Expired", "Other")
EVENT_OUTCOMES = ("accepted", "duplicate", "stale", "foreign", "ignored", "invalid", "postponed")
DURATIONS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1200, 1800)


class Metrics:
    """Counts and gauges, each gateway's series from the start. Not a number (NaN): not known yet.

    One series per gateway says which step it is at.
    """

    def __init__(self, gateways: Iterable[str]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no hint for it
        self._registry = registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        self._expiration = Gauge(
            "rotator_token_expiration_timestamp_seconds",
            "When the first of a gateway's tokens expires.",
            ["gateway"],
            registry=registry,
        )
        self._renewal = Gauge(
            "rotator_token_renewal_timestamp_seconds",
            "When a gateway's token becomes due for renewal.",
            ["gateway"],
            registry=registry,
        )
        self._success = Gauge(
            "rotator_last_success_timestamp_seconds",
            "When a gateway was last brought to rest, or found at rest, with everything proven; "
            "before the first time, when this process started.",
            ["gateway"],
            registry=registry,
        )
        self._settled = Gauge(
            "rotator_gateway_settled",
            "Whether everything of a gateway was proven at the last look.",
            ["gateway"],
            registry=registry,
        )
        self._step = Gauge(
            "rotator_rotation_step",
            "1 for the step that a gateway is at.",
            ["gateway", "step"],
            registry=registry,
        )
        self._count(registry)
        self._steps: dict[str, str] = {}
        self._begin(gateways)

    def _count(self, registry: CollectorRegistry) -> None:
        """Make what is counted, and the one series that says what runs."""
        self._rotations = Counter(
            "rotator_rotations",
            "Runs that did something or failed, by result and first reason.",
            ["gateway", "result", "reason"],
            registry=registry,
        )
        self._duration = Histogram(
            "rotator_rotation_duration_seconds",
            "How long runs took that did something or failed.",
            ["result"],
            registry=registry,
            buckets=DURATIONS,
        )
        self._events = Counter(
            "rotator_events",
            "Events by type and what became of them.",
            ["type", "outcome"],
            registry=registry,
        )
        Gauge("rotator_build_info", "1; the version is the label.", ["version"], registry=registry).labels(
            __version__
        ).set(1)

    def _begin(self, gateways: Iterable[str]) -> None:
        for gateway in gateways:
            for gauge in (self._expiration, self._renewal):
                gauge.labels(gateway).set(nan)
            self._success.labels(gateway).set_to_current_time()
            self._settled.labels(gateway).set(0)
            self.at_step(gateway, Rest.__name__)
            for result in ("rotated", "failed"):
                self._rotations.labels(gateway, result, Reason.NEARING_EXPIRY)
        for result in RESULTS:
            self._duration.labels(result)
        for kind, outcome in product(EVENT_TYPES, EVENT_OUTCOMES):
            self._events.labels(kind, outcome)

    def token(self, gateway: str, expires_at: datetime, renewal_at: datetime) -> None:
        """Note when the gateway's token expires and is due."""
        self._expiration.labels(gateway).set(expires_at.timestamp())
        self._renewal.labels(gateway).set(renewal_at.timestamp())

    def at_step(self, gateway: str, step: str) -> None:
        """Note which step the gateway is at; the series of the step before ends."""
        before = self._steps.get(gateway)
        if before == step:
            return
        if before is not None:
            self._step.remove(gateway, before)
        self._steps[gateway] = step
        self._step.labels(gateway, step).set(1)

    def settled(self, gateway: str, *, settled: bool, at: datetime) -> None:
        """Note what a look found; if everything was proven, this is the last success, too."""
        self._settled.labels(gateway).set(settled)
        if settled:
            self._success.labels(gateway).set(at.timestamp())

    def rotation(self, gateway: str, result: str, reason: str, took: timedelta) -> None:
        """Count a run that did something or failed."""
        self._rotations.labels(gateway, result, reason).inc()
        self._duration.labels(result).observe(took.total_seconds())

    def event(self, kind: str, outcome: str) -> None:
        """Count an event; a word that is not foreseen counts as Other, so that no sender makes series."""
        self._events.labels(
            kind if kind in EVENT_TYPES else "Other", outcome if outcome in EVENT_OUTCOMES else "ignored"
        ).inc()

    def render(self) -> tuple[bytes, str]:
        """Return (body, content type) in Prometheus's text format."""
        return generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4
