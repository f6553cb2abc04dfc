"""The `Date` of answers by the clock of the simulated Azure, which may be wrong by intent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from email.utils import format_datetime

from starlette.types import ASGIApp, Message, Receive, Scope, Send


def dated(app: ASGIApp, now: Callable[[], datetime]) -> ASGIApp:
    """Put a `Date` header (RFC 9110, whole seconds, UTC) on every answer of `app`; its server must not."""

    async def with_date(scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = format_datetime(now(), usegmt=True).encode()
                message["headers"] = [*message.get("headers", ()), (b"date", date)]
            await send(message)

        await app(scope, receive, sending)

    return with_date
