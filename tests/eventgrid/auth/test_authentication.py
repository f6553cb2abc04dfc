"""The door itself."""

from __future__ import annotations

import time
from pathlib import Path

from rotator.config import WebhookSettings
from rotator.eventgrid.auth.authentication import Admission, _Ways
from rotator.eventgrid.auth.rate_limit import RateLimit
from rotator.eventgrid.auth.result import Verdict


async def test_a_defect_in_judging_puts_a_delivery_off_and_refuses_it_not() -> None:
    class Broken:
        def judge(self, headers: object, query: object) -> object:
            raise RuntimeError("a defect")

    settings = WebhookSettings(secret_file=Path("unused"))
    door = Admission(settings, lambda *_: None, _Ways(Broken(), None), RateLimit(600, time.monotonic))  # type: ignore[arg-type]

    assert (await door.judge([], b"")).verdict is Verdict.UNDECIDED
