"""Answers every request in time."""

from __future__ import annotations

import asyncio
import logging

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)


class Deadline:
    """Cancels what app does about a request, and answers 503, if app has not begun its answer in time.

    Place it outermost: it is the one deadline of everything inside. seconds: from the arrival of a request's
    header to the beginning of the answer. retry_after: seconds after which the client is asked to retry.
    """

    def __init__(self, app: ASGIApp, seconds: float, retry_after: int) -> None:
        self._app = app
        self._seconds = seconds
        self._retry_after = retry_after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._seconds) as deadline:

                async def send_in_time(message: Message) -> None:
                    if not deadline.expired():
                        deadline.reschedule(None)  # the answer has begun; it must not be cut off
                        await send(message)

                await self._app(scope, receive, send_in_time)
        except TimeoutError:
            if not deadline.expired():
                raise
        if deadline.expired():
            log.warning("a request was not answered within %g s and was put off with 503", self._seconds)
            # Closed, because the rest of the body would count as the next request.
            headers = {"retry-after": str(self._retry_after), "connection": "close"}
            await JSONResponse({"error": "not now"}, 503, headers)(scope, receive, send)
