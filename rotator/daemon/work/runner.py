"""Runs a gateway's rotation when it is woken, and schedules the next run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from rotator.app.bootstrap import GatewayServices, Services
from rotator.app.clock import utc_now
from rotator.app.event_listener import event_listener
from rotator.app.status_cache import StatusCache
from rotator.core.renewal import renewal_time
from rotator.daemon.work.schedule import stable_jitter
from rotator.errors import Busy, LeaseLost, RotatorError, Stopping, Unavailable, requested_pause
from rotator.retry import gateway_delay
from rotator.rotation import Outcome, rotate
from rotator.telemetry.metrics import Metrics
from rotator.telemetry.report import RunReport

MIN_BUSY_WAIT = timedelta(seconds=1)
"""Minimum time until the next run after another process held the Lease."""
MIN_REFUSED_WAIT = timedelta(minutes=1)
"""Minimum time until the next run after an error that the operator has to correct."""


class Runner:
    """Rotates a gateway. Raises no RotatorError: the schedule tries again."""

    def __init__(
        self,
        services: Services,
        metrics: Metrics,
        status: StatusCache,
        set_due: Callable[[str, datetime], None],
        jitter: timedelta,
    ) -> None:
        self._services = services
        self._clock = services.clock
        self._metrics = metrics
        self._status = status
        self._set_due = set_due
        self._jitter = jitter
        self._failures = dict.fromkeys(services.gateways, 0)
        self._said: dict[str, str] = {}

    async def work(self, name: str, causes: frozenset[str]) -> None:
        """Bring one gateway to rest, or schedule the next try."""
        gateway = self._services.gateways[name]
        listener = event_listener(gateway, self._services.events)
        said = self._said.get(name, "")
        report = RunReport(name, causes, gateway.policy, self._clock, self._metrics, listener, said)
        # Scheduled first, so that there is a next run whatever fails from here on.
        self._again(name, gateway.policy.recheck)
        try:
            outcome = await rotate(gateway.gateway, gateway.ports.reporting_to(report))
        except Stopping as error:
            report.finish(error)
        except Exception as error:
            report.finish(error)
            self._failed(gateway, error)
            if not isinstance(error, RotatorError):
                raise
        else:
            report.finish()
            self._said[name] = report.sentence
            self._rested(gateway, outcome)
        finally:
            self._metrics.skew(self._services.arm.clock_offset.offset)

    def _rested(self, gateway: GatewayServices, outcome: Outcome) -> None:
        name, until = gateway.name, outcome.rest.until
        self._failures[name] = 0
        self._status.observed(name, outcome.last, self._clock.now())
        if outcome.last.current and until == renewal_time(outcome.last, gateway.policy):
            until += stable_jitter(name, self._jitter)
        self._again(name, until - self._clock.now())

    def _failed(self, gateway: GatewayServices, error: Exception) -> None:
        name = gateway.name
        self._status.failed(name, error)
        if isinstance(error, Busy | LeaseLost):
            self._again(name, max(gateway.lease.expires_in, MIN_BUSY_WAIT))
            return
        self._failures[name] += 1
        asked = requested_pause(error)
        wait = gateway_delay(name, self._failures[name], asked)
        refused = not isinstance(error, Unavailable)
        self._again(name, max(wait, MIN_REFUSED_WAIT) if refused else wait)

    def _again(self, name: str, wait: timedelta) -> None:
        """Schedule the next run. The schedule goes by this machine's clock."""
        self._set_due(name, utc_now() + wait)
