"""Runs a gateway's rotation when it is woken, and says when to wake it next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from rotator.app.bootstrap import GatewayServices
from rotator.app.clock import utc_now
from rotator.app.event_listener import event_listener
from rotator.app.status_cache import StatusCache
from rotator.core.renewal import renewal_time
from rotator.daemon.work.schedule import stable_jitter
from rotator.errors import Busy, LeaseLost, RotatorError, Stopping, Unavailable
from rotator.kube import EventSink
from rotator.ports import Clock
from rotator.retry import gateway_delay
from rotator.rotation import Outcome, rotate
from rotator.telemetry.metrics import Metrics
from rotator.telemetry.report import RunReport

LOOK_AFTER_BUSY = timedelta(seconds=1)
TRY_REFUSED_AGAIN = timedelta(minutes=1)
"""Somebody has to mend something first; once it is mended nobody wants to wait long."""


class Runner:
    """The work behind each wake-up. Never raises what it can put off: the schedule tries again."""

    def __init__(
        self,
        units: Mapping[str, GatewayServices],
        clock: Clock,
        metrics: Metrics,
        events: EventSink,
        board: StatusCache,
        set_due: Callable[[str, datetime], None],
        jitter: timedelta,
    ) -> None:
        self._units = units
        self._clock = clock
        self._metrics = metrics
        self._events = events
        self._board = board
        self._set_due = set_due
        self._jitter = jitter
        self._failures = dict.fromkeys(units, 0)
        self._said: dict[str, str] = {}

    async def work(self, name: str, causes: frozenset[str]) -> None:
        """Bring one gateway to rest, or note when to try again."""
        unit = self._units[name]
        listener = event_listener(unit, self._events)
        said = self._said.get(name, "")
        report = RunReport(name, causes, unit.gateway.policy, self._clock, self._metrics, listener, said)
        # Whatever dies from here on, somebody looks again.
        self._again(name, unit.gateway.policy.recheck)
        try:
            outcome = await rotate(unit.gateway, unit.ports(self._clock, report))
        except Stopping as error:
            report.finish(error)
        except Exception as error:
            report.finish(error)
            self._failed(unit, error)
            if not isinstance(error, RotatorError):
                raise
        else:
            report.finish()
            self._said[name] = report.sentence
            self._rested(unit, outcome)
        finally:
            self._metrics.skew(unit.skew.offset)

    def _rested(self, unit: GatewayServices, outcome: Outcome) -> None:
        name, until = unit.gateway.name, outcome.rest.until
        self._failures[name] = 0
        self._board.seen(name, outcome.last, self._clock.now())
        if outcome.last.current and until == renewal_time(outcome.last, unit.gateway.policy):
            until += stable_jitter(name, self._jitter)
        self._again(name, until - self._clock.now())

    def _failed(self, unit: GatewayServices, error: Exception) -> None:
        name = unit.gateway.name
        self._board.failed(name, error)
        if isinstance(error, Busy | LeaseLost):
            self._again(name, max(unit.lease.expires_in, LOOK_AFTER_BUSY))
            return
        self._failures[name] += 1
        asked = error.retry_after if isinstance(error, Unavailable) else None
        wait = gateway_delay(name, self._failures[name], asked)
        refused = not isinstance(error, Unavailable)
        self._again(name, max(wait, TRY_REFUSED_AGAIN) if refused else wait)

    def _again(self, name: str, wait: timedelta) -> None:
        """Have the gateway looked at after so long. The schedule goes by this machine's clock."""
        self._set_due(name, utc_now() + wait)
