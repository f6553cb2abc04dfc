"""A circuit breaker: calls to what does not answer fail at once, until a background probe is answered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from rotator.diagnostics import exception_details
from rotator.errors import Refused, Unavailable, requested_pause
from rotator.retry import Backoff

MIN_BACKOFF = 1.0
"""Seconds that the circuit stays open at least; each failure in a row doubles that."""
MAX_BACKOFF = 120.0
"""Seconds between two probes at most."""
_WAIT_FACTOR = 3.0
"""The circuit stays open at least this many times as long as the failed call took."""
_log = logging.getLogger("rotator.kube")


class CircuitBreaker:
    """Closed: calls go through. Open: callers get `error` at once. Half-open: a probe is under way. Its
    answer closes the circuit; its failure keeps the circuit open for twice as long.
    """

    def __init__(
        self,
        name: str,
        probe: Callable[[], Awaitable[None]],
        min_backoff: float = MIN_BACKOFF,
        max_backoff: float = MAX_BACKOFF,
    ) -> None:
        """probe: raises Refused or Unavailable while the circuit has to stay open. Back-offs in seconds."""
        self.name = name
        self.error: Refused | Unavailable | None = None
        """Why the circuit is open; None while it is closed."""
        self._probe = probe
        self._min_backoff = min_backoff
        self._max_backoff = max_backoff
        self._failures = 0
        self._probing: asyncio.Task[None] | None = None
        self._closed = asyncio.Event()
        self._ended = False

    def record_success(self) -> None:
        """Forget the failures so far."""
        self._failures = 0

    def record_failure(self, error: Refused | Unavailable, waited: float) -> None:
        """Open the circuit. waited: how long the failed call took, in seconds."""
        if self.error or self._ended:
            return
        asked = requested_pause(error)
        first = timedelta(seconds=max(self._min_backoff, _WAIT_FACTOR * waited))
        backoff = Backoff(first, longest=timedelta(seconds=self._max_backoff))
        self._failures += 1
        pause = min(self._max_backoff, backoff.delay(self._failures, asked).total_seconds())
        self.error = error
        self._closed.clear()
        _log.warning("%s is unreachable, next probe in %.0f s: %s", self.name, max(1.0, pause), error)
        self._probing = asyncio.create_task(self._probe_until_answered(pause), name=f"probe of {self.name}")

    async def until_closed(self) -> None:
        """Return as soon as the circuit is closed."""
        if self.error:
            await self._closed.wait()

    async def end(self) -> None:
        """End the probe, for good."""
        self._ended = True
        if self._probing:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)

    async def _probe_until_answered(self, pause: float) -> None:
        while True:
            await asyncio.sleep(pause)
            try:
                await self._probe()
            except (Refused, Unavailable) as error:
                self.error = error
            except Exception as defect:  # noqa: BLE001 - a circuit that stays open for ever would be worse
                kind = type(defect).__name__
                _log.error("%s could not be probed: %s", self.name, kind, extra=exception_details(defect))
            else:
                break
            pause = min(self._max_backoff, 2 * pause)
        self.error = None
        self._closed.set()
        _log.warning("%s answers again", self.name)
