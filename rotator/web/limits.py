"""Bounds what a client may send: bytes, seconds, and memory over all requests."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MEBIBYTE = 1_048_576
LINGER = 4
"""So many times the limit is read and thrown away, or a client that still sends never sees the answer."""


class BodyLimit:
    """Reads each body before the application sees the request; refuses what is too long or too slow.

    max_bytes: of one body (413). seconds: for the whole body (408, which Event Grid retries).
    budget: bytes of all bodies held at a time; beyond it clients are asked to come back (503).
    """

    def __init__(self, app: ASGIApp, max_bytes: int, seconds: float, budget: int = 32 * MEBIBYTE) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._budget = budget
        self._held = 0

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
            self._held -= len(body.data)

    async def _read(self, scope: Scope, receive: Receive, body: _Body) -> Response | None:
        """Fill body. Return an answer if the request goes no further."""
        if _declared(scope) > self._max_bytes * LINGER:
            return _too_large(self._max_bytes)
        try:
            async with asyncio.timeout(self._seconds):
                while not body.complete:
                    if refusal := self._take(await receive(), body):
                        return refusal
        except TimeoutError:
            return _closing(408, f"the body did not arrive within {self._seconds:g} seconds")
        return _too_large(self._max_bytes) if body.seen > self._max_bytes else None

    def _take(self, message: Message, body: _Body) -> Response | None:
        if message["type"] == "http.disconnect":
            body.abandoned = body.complete = True
            return None
        chunk: bytes = message.get("body", b"")
        body.seen += len(chunk)
        body.complete = not message.get("more_body", False)
        if body.seen > self._max_bytes:
            self._held -= len(body.data)
            body.data.clear()
            return _too_large(self._max_bytes) if body.seen > self._max_bytes * LINGER else None
        body.data += chunk
        self._held += len(chunk)
        if self._held > self._budget:
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


def _too_large(limit: int) -> Response:
    return _closing(413, f"the body is larger than {limit} bytes")


def _closing(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": sentence}, status, {"connection": "close", **(headers or {})})
