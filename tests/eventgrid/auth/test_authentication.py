"""The authenticator itself."""

from __future__ import annotations

from pathlib import Path

from rotator.config import WebhookSettings
from rotator.eventgrid.auth.authentication import Authenticator, Methods
from rotator.eventgrid.auth.result import AuthOutcome


async def test_a_defect_in_authentication_puts_a_delivery_off_and_does_not_refuse_it() -> None:
    class Broken:
        def authenticate(self, headers: object, query: object) -> object:
            raise RuntimeError("a defect")

    settings = WebhookSettings(secret_file=Path("unused"))
    authenticator = Authenticator(settings, Methods(Broken(), None))  # type: ignore[arg-type]

    assert (await authenticator.authenticate([], b"")).outcome is AuthOutcome.UNDECIDED
