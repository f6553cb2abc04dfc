"""Sets the `Date` header by the clock of the simulated Azure, which tests may set wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from email.utils import format_datetime

from starlette.types import ASGIApp, Message, Receive, Scope, Send


def with_date_header(app: ASGIApp, now: Callable[[], datetime]) -> ASGIApp:
    """Return `app` with a `Date` header (RFC 9110: UTC, whole seconds) on every answer."""

    async def with_date(scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = format_datetime(now(), usegmt=True).encode()
                message["headers"] = [*message.get("headers", ()), (b"date", date)]
            await send(message)

        await app(scope, receive, sending)

    return with_date
