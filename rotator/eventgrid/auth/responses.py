"""How deliveries are turned away: with a word, cheaply, and without a flood of log lines."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil

from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send

log = logging.getLogger(__name__)

EACH = 60.0
LINGER_SECONDS = 2.0
LINGER_BYTES = 2_097_152
_SENTENCES = {
    401: "this delivery does not say who sends it",
    403: "this sender may not deliver here",
    429: "too many deliveries",
    503: "not now",
}


@dataclass(slots=True)
class RefusalLog:
    """Logs each kind of refusal once a minute at most, with how many there were. clock: monotonic."""

    clock: Callable[[], float] = time.monotonic
    _counts: dict[tuple[str, str], tuple[float, int]] = field(default_factory=dict, repr=False)

    def log(self, outcome: str, why: str) -> None:
        """Note one. Both words come from small closed sets, and neither quotes the request."""
        now = self.clock()
        last, held_back = self._counts.get((outcome, why), (float("-inf"), 0))
        if now - last < EACH:
            self._counts[outcome, why] = (last, held_back + 1)
            return
        self._counts[outcome, why] = (now, 0)
        log.warning("delivery %s: %s", outcome, why, extra={"more_since_last_time": held_back})


async def refuse(
    status: int, scope: Scope, receive: Receive, send: Send, *, retry_after: float = 0.0
) -> None:
    """Answer without the body, then let it run dry for a moment and hold none of it.

    A connection that is closed on a client that still sends is reset, and the answer may be lost.
    """
    headers = {"connection": "close"}
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    if status in {429, 503}:
        headers["retry-after"] = str(max(1, ceil(retry_after)))
    response = JSONResponse({"error": _SENTENCES[status]}, status, headers)
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
    """Whether a body is on its way. A client that asks "100-continue" waits for leave, and gets none."""
    named = dict(scope["headers"])
    if named.get(b"expect", b"").lower() == b"100-continue":
        return False
    length = named.get(b"content-length", b"0")
    return b"transfer-encoding" in named or (length.isdigit() and 0 < int(length) <= LINGER_BYTES)


async def _drain(receive: Receive) -> None:
    seen = 0
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            while seen <= LINGER_BYTES:
                message = await receive()
                seen += len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
    except TimeoutError:
        return
