"""Bounds the bodies of requests: their bytes, their seconds, and the memory of all together."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_HANDSHAKE_BYTES = 16_384
"""Size of a subscription validation event that comes without a credential. A real one has about 1 KB."""
MAX_INTERNAL_BYTES = 1024
"""Size of a body at the internal port, where no request needs one."""
MAX_HELD_BYTES = 32 * 1_048_576
"""Size of all bodies that one application holds at a time."""
DISCARD_FACTOR = 4
"""Up to this many times the limit, a body that is too large is read and discarded before the answer: a client
that still sends would not see the answer.
"""


@dataclass(slots=True)
class BodyBudget:
    """Bytes of all bodies held at a time, by every `BodyLimit` that shares it."""

    max_bytes: int = MAX_HELD_BYTES
    held: int = 0


class BodyLimit:
    """Reads each body before app sees the request; refuses what is too large or too slow.

    max_bytes: of one body; a larger one gets the answer too_large (413). seconds: for the whole body (408,
    which Event Grid retries). budget: beyond it clients are asked to retry (503).
    """

    def __init__(
        self,
        app: ASGIApp,
        max_bytes: int,
        seconds: float,
        budget: BodyBudget | None = None,
        too_large: Response | None = None,
    ) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._budget = budget or BodyBudget()
        self._too_large = too_large or _closing(413, f"the body is larger than {max_bytes} bytes")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body()
        try:
            refusal = await self._read(scope, receive, body)
            if refusal:
                await refusal(scope, receive, send)
            elif not body.abandoned:
                await self._app(scope, _replay(body, receive), send)
        finally:
            self._budget.held -= len(body.data)

    async def _read(self, scope: Scope, receive: Receive, body: _Body) -> Response | None:
        """Fill body. Return an answer if the request goes no further."""
        if _declared(scope) > self._max_bytes * DISCARD_FACTOR:
            return self._too_large
        try:
            async with asyncio.timeout(self._seconds):
                while not body.complete:
                    if refusal := self._take(await receive(), body):
                        return refusal
        except TimeoutError:
            return _closing(408, f"the body did not arrive within {self._seconds:g} seconds")
        return self._too_large if body.seen > self._max_bytes else None

    def _take(self, message: Message, body: _Body) -> Response | None:
        if message["type"] == "http.disconnect":
            body.abandoned = body.complete = True
            return None
        chunk: bytes = message.get("body", b"")
        body.seen += len(chunk)
        body.complete = not message.get("more_body", False)
        if body.seen > self._max_bytes:
            self._budget.held -= len(body.data)
            body.data.clear()
            return self._too_large if body.seen > self._max_bytes * DISCARD_FACTOR else None
        body.data += chunk
        self._budget.held += len(chunk)
        if self._budget.held > self._budget.max_bytes:
            return _closing(503, "too much is being received at once", {"retry-after": "30"})
        return None


@dataclass(slots=True)
class _Body:
    data: bytearray = field(default_factory=bytearray)
    seen: int = 0
    complete: bool = False
    abandoned: bool = False


def _declared(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0


def _replay(body: _Body, receive: Receive) -> Receive:
    """Return a receive that hands out the body once, and then what the connection says."""
    handed_out = False

    async def replay() -> Message:
        nonlocal handed_out
        if handed_out:
            return await receive()
        handed_out = True
        return {"type": "http.request", "body": bytes(body.data), "more_body": False}

    return replay


def _closing(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": sentence}, status, {"connection": "close", **(headers or {})})
