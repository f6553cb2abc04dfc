"""The metrics of this process. Label values come from small closed sets, which bounds the series."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
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
from rotator.core.records import PROVEN, Reason
from rotator.core.run_result import NOTHING_DONE, RunResult
from rotator.core.steps import Rest
from rotator.telemetry.event_metrics import EventMetrics

RESULTS = tuple(result for result in RunResult if result not in NOTHING_DONE)
"""The values of the label `result`: how runs end that are counted."""
DURATION_BUCKETS = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1200, 1800)
"""Upper bounds of the buckets of rotator_rotation_duration_seconds, in seconds."""


class Metrics:
    """Counters and gauges with the series of each gateway from the start. NaN means not known yet."""

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
        self._wait(registry)
        self._events = EventMetrics(registry)
        self._count(registry)
        self._steps: dict[str, str] = {}
        self._loads(registry)
        self._begin()
        self.follow(gateways)

    def _loads(self, registry: CollectorRegistry) -> None:
        """Create the metrics of the configuration."""
        self._load_succeeded = Gauge(
            "rotator_config_last_reload_successful",
            "1: the configuration that was read last is in force; 0: it cannot be used, the previous one is.",
            registry=registry,
        )
        self._loaded_at = Gauge(
            "rotator_config_last_reload_success_timestamp_seconds",
            "When a configuration was last put into force.",
            registry=registry,
        )

    def _wait(self, registry: CollectorRegistry) -> None:
        """Create the metrics of what a gateway waits for."""
        self._held = Gauge(
            "rotator_gateway_held",
            "Whether all that a gateway waits for is its maintenance window or the end of its freeze.",
            ["gateway"],
            registry=registry,
        )
        self._fighting = Gauge(
            "rotator_gateway_fighting",
            "Whether a gateway is left as it is for a while because another writer keeps changing it back.",
            ["gateway"],
            registry=registry,
        )

    def _count(self, registry: CollectorRegistry) -> None:
        """Create the counters, the clock skew and the build information."""
        self._rotations = Counter(
            "rotator_rotations",
            "Runs that did something or failed, by result and first reason.",
            ["gateway", "result", "reason"],
            registry=registry,
        )
        self._duration = Histogram(
            "rotator_rotation_duration_seconds",
            "Duration of the runs that did something or failed.",
            ["result"],
            registry=registry,
            buckets=DURATION_BUCKETS,
        )
        self._overrides = Counter(
            "rotator_overrides",
            "Issues and restarts outside maintenance windows or in a freeze, because they could not wait.",
            ["gateway", "step"],
            registry=registry,
        )
        self._failures = Counter(
            "rotator_step_failures",
            "Steps that failed while the rest of the run continued.",
            ["gateway", "step"],
            registry=registry,
        )
        self._skew = Gauge(
            "rotator_clock_skew_seconds",
            "Azure's clock minus this machine's, as of the last answer.",
            registry=registry,
        )
        self._skew.set(nan)
        Gauge("rotator_build_info", "1; the version is the label.", ["version"], registry=registry).labels(
            __version__
        ).set(1)

    def _begin(self) -> None:
        for result in RESULTS:
            self._duration.labels(result)

    def follow(self, gateways: Iterable[str]) -> None:
        """Have the series of exactly these gateways: create those of new ones, remove those of others."""
        wanted = dict.fromkeys(gateways)
        for gateway in self._steps.keys() - wanted.keys():
            del self._steps[gateway]
            for family in (
                self._expiration,
                self._renewal,
                self._success,
                self._settled,
                self._step,
                self._held,
                self._fighting,
                self._rotations,
                self._overrides,
                self._failures,
            ):
                family.remove_by_labels({"gateway": gateway})
        for gateway in wanted:
            if gateway not in self._steps:
                self._appear(gateway)

    def _appear(self, gateway: str) -> None:
        for gauge in (self._expiration, self._renewal):
            gauge.labels(gateway).set(nan)
        self._success.labels(gateway).set_to_current_time()
        self._settled.labels(gateway).set(0)
        self.at_step(gateway, Rest.__name__)
        for result in (RunResult.ROTATED, RunResult.FAILED):
            self._rotations.labels(gateway, result, Reason.NEARING_EXPIRY)

    def config_loaded(self, at: datetime) -> None:
        """Note that a configuration was put into force."""
        self._load_succeeded.set(1)
        self._loaded_at.set(at.timestamp())

    def config_refused(self) -> None:
        """Note that a configuration could not be used: the previous one stays in force."""
        self._load_succeeded.set(0)

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

    def looked(self, gateway: str, rest: Reason | None, at: datetime) -> None:
        """Note a decision. rest: why the gateway rests, None if it does not. Rest with everything proven is a
        success.
        """
        settled = rest in PROVEN
        self._settled.labels(gateway).set(settled)
        self._held.labels(gateway).set(rest is Reason.HELD)
        self._fighting.labels(gateway).set(rest is Reason.FIGHTING)
        if settled:
            self._success.labels(gateway).set(at.timestamp())

    def rotation(self, gateway: str, result: RunResult, reason: str, took: timedelta) -> None:
        """Count a run that did something or failed."""
        self._rotations.labels(gateway, result, reason).inc()
        self._duration.labels(result).observe(took.total_seconds())

    def skew(self, offset: timedelta | None) -> None:
        """Note how far Azure's clock is from ours; None: not known yet."""
        self._skew.set(nan if offset is None else offset.total_seconds())

    def override(self, gateway: str, step: str) -> None:
        """Count a step that did not wait for a window or for the end of a freeze."""
        self._overrides.labels(gateway, step).inc()

    def failure(self, gateway: str, step: str) -> None:
        """Count a step that could not be taken."""
        self._failures.labels(gateway, step).inc()

    def event(self, kind: str, outcome: str) -> None:
        """Count an event."""
        self._events.event(kind, outcome)

    def pulled(self, at: datetime) -> None:
        """Note that Event Grid answered a request for events."""
        self._events.pulled(at)

    def render(self) -> tuple[bytes, str]:
        """Return (body, content type) in Prometheus's text format."""
        return generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4
