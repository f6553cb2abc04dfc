"""Ready means: the configuration is valid, both sides accepted our credentials once, the webhook listens."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

from rotator.daemon.backoff import delay
from rotator.errors import RotatorError, Unavailable
from rotator.web import Health

log = logging.getLogger(__name__)

UNKNOWN = "not looked at yet"


class Readiness:
    """The sentences behind /readyz; an empty one means that all is well with a check."""

    def __init__(self, *checks: str) -> None:
        self._checks = dict.fromkeys(checks, UNKNOWN)
        self._warnings: dict[str, str] = {}

    def expect(self, *checks: str) -> None:
        """Have exactly these checks. What is known of one stays until it is looked at again."""
        self._checks = {check: self._checks.get(check, UNKNOWN) for check in checks}

    def fine(self, check: str) -> None:
        was_ready = self.health().ready
        self._checks[check] = ""
        if self.health().ready and not was_ready:
            log.info("ready")

    def failed(self, check: str, sentence: str) -> None:
        self._checks[check] = sentence

    def warn(self, about: str, sentence: str) -> None:
        """Show sentence without being less ready for it; an empty one takes it back."""
        if sentence:
            self._warnings[about] = sentence
        else:
            self._warnings.pop(about, None)

    def health(self) -> Health:
        return Health(dict(self._checks), dict(self._warnings))

    async def prove(
        self, check: str, proof: Callable[[], Awaitable[object]], tell: Callable[[str, str], None]
    ) -> None:
        """Try proof until it succeeds once; tell each new reason why it did not."""
        failures, last = 0, ""
        while True:
            try:
                await proof()
            except RotatorError as error:
                failures += 1
                self.failed(check, str(error))
                if str(error) != last:
                    tell(check, str(error))
                last = str(error)
                asked = error.retry_after if isinstance(error, Unavailable) else None
                await asyncio.sleep(min(delay(check, failures, asked), timedelta(minutes=1)).total_seconds())
            else:
                self.fine(check)
                return
