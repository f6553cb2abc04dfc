"""Refuses deliveries: with a short answer, before the body is read, and without a flood of log lines."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil

from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

log = logging.getLogger(__name__)

LOG_INTERVAL = 60.0
"""Seconds between two log lines about refusals of one kind."""
DRAIN_SECONDS = 2.0
"""How long the body of a refused delivery is read and discarded after the answer."""
DRAIN_BYTES = 2_097_152
"""How much of it. A body that is announced to be larger is not read at all."""
_SENTENCES = {
    401: "the delivery was not authenticated",
    403: "the sender may not deliver here",
    429: "too many deliveries",
    503: "not now",
}


@dataclass(slots=True)
class RefusalLog:
    """Logs each kind of refusal once a minute at most, with their number. clock: monotonic, seconds."""

    clock: Callable[[], float] = time.monotonic
    _counts: dict[tuple[str, str], tuple[float, int]] = field(default_factory=dict, repr=False)

    def log(self, outcome: str, reason: str) -> None:
        """Record a refusal. Both texts come from small closed sets, and neither quotes the request."""
        now = self.clock()
        last, held_back = self._counts.get((outcome, reason), (float("-inf"), 0))
        if now - last < LOG_INTERVAL:
            self._counts[outcome, reason] = (last, held_back + 1)
            return
        self._counts[outcome, reason] = (now, 0)
        log.warning("delivery %s: %s", outcome, reason, extra={"more_since_last_time": held_back})


def refusal(status: int, retry_after: float = 0.0) -> Response:
    """Return an answer that closes the connection. retry_after: seconds, for 429 and 503."""
    headers = {"connection": "close"}
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    if status in {429, 503}:
        headers["retry-after"] = str(max(1, ceil(retry_after)))
    return JSONResponse({"error": _SENTENCES[status]}, status, headers)


async def refuse(
    status: int, scope: Scope, receive: Receive, send: Send, *, retry_after: float = 0.0
) -> None:
    """Answer before the body was read, then read and discard it for a moment.

    A connection that is closed on a client that still sends is reset, and the answer may be lost.
    """
    response = refusal(status, retry_after)
    if _is_being_sent(scope):

        async def answer_then_drain(message: Message) -> None:
            if message["type"] != "http.response.body":
                await send(message)
                return
            await send({**message, "more_body": True})
            await _drain(receive)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        await response(scope, receive, answer_then_drain)
    else:
        await response(scope, receive, send)


def _is_being_sent(scope: Scope) -> bool:
    """Whether a body is on its way. A client that expects "100-continue" waits for it, and gets none."""
    named = dict(scope["headers"])
    if named.get(b"expect", b"").lower() == b"100-continue":
        return False
    length = named.get(b"content-length", b"0")
    return b"transfer-encoding" in named or (length.isdigit() and 0 < int(length) <= DRAIN_BYTES)


async def _drain(receive: Receive) -> None:
    seen = 0
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            while seen <= DRAIN_BYTES:
                message = await receive()
                seen += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return
