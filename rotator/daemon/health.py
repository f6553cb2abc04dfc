"""The checks behind /readyz: a valid configuration, access to Azure and Kubernetes once, an open webhook."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from rotator.diagnostics import exception_details
from rotator.errors import RotatorError, requested_pause
from rotator.retry import gateway_delay
from rotator.web import Health

log = logging.getLogger(__name__)

UNKNOWN = "not looked at yet"


class HealthChecks:
    """A sentence per check that says why it fails; an empty sentence means that the check passed."""

    def __init__(self, *checks: str) -> None:
        self._checks = dict.fromkeys(checks, UNKNOWN)
        self._warnings: dict[str, str] = {}

    def expect(self, *checks: str) -> None:
        """Have exactly these checks. A check that stays keeps its last result."""
        self._checks = {check: self._checks.get(check, UNKNOWN) for check in checks}

    def fine(self, check: str) -> None:
        was_ready = self.health().ready
        self._checks[check] = ""
        if self.health().ready and not was_ready:
            log.info("ready")

    def failed(self, check: str, sentence: str) -> None:
        self._checks[check] = sentence

    def warn(self, about: str, sentence: str) -> None:
        """Show a warning that does not affect readiness; an empty sentence removes it."""
        if sentence:
            self._warnings[about] = sentence
        else:
            self._warnings.pop(about, None)

    def health(self) -> Health:
        return Health(dict(self._checks), dict(self._warnings))

    async def prove(
        self, check: str, proof: Callable[[], Awaitable[object]], tell: Callable[[str, str], None]
    ) -> None:
        """Await proof until it succeeds once; pass each new reason for its failure to tell."""
        failures, last = 0, ""
        while True:
            try:
                await proof()
            except Exception as error:  # noqa: BLE001 - a helper that raises would cancel all work
                failures += 1
                why = sentence(error)
                self.failed(check, why)
                if why != last:
                    tell(check, why)
                last = why
                asked = requested_pause(error)
                wait = min(gateway_delay(check, failures, asked), timedelta(minutes=1))
                await asyncio.sleep(wait.total_seconds())
            else:
                self.fine(check)
                return


def sentence(error: Exception) -> str:
    """Return what to tell of an error: of one that is not ours only its class, for it may quote a Secret."""
    if isinstance(error, RotatorError):
        return str(error)
    log.debug("something unforeseen", extra=exception_details(error))
    return f"an answer that was not foreseen ({type(error).__name__})"
