"""The door itself."""

from __future__ import annotations

import time
from pathlib import Path

from rotator.config import WebhookSettings
from rotator.eventgrid.auth.authentication import Authenticator, Methods
from rotator.eventgrid.auth.rate_limit import RateLimit
from rotator.eventgrid.auth.result import AuthOutcome


async def test_a_defect_in_judging_puts_a_delivery_off_and_refuses_it_not() -> None:
    class Broken:
        def authenticate(self, headers: object, query: object) -> object:
            raise RuntimeError("a defect")

    settings = WebhookSettings(secret_file=Path("unused"))
    door = Authenticator(settings, lambda *_: None, Methods(Broken(), None), RateLimit(600, time.monotonic))  # type: ignore[arg-type]

    assert (await door.authenticate([], b"")).outcome is AuthOutcome.UNDECIDED
