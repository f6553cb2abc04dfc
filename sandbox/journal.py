"""Records the requests to every server: methods, paths and statuses, never bodies or header values."""

from __future__ import annotations

import itertools
import re
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_CALLS = 50_000
"""Calls that are kept; the oldest are dropped."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `status` 0: it ended without an answer. `seconds`: until the last byte of the answer."""

    n: int
    server: str
    method: str
    path: str
    query: str
    status: int
    at: datetime
    seconds: float


class Journal:
    """The last calls to all servers in the order in which they ended; `total` also counts dropped ones."""

    def __init__(self) -> None:
        self.total = 0
        self._calls: deque[Call] = deque(maxlen=MAX_CALLS)
        self._numbers = itertools.count(1)

    def calls(
        self, server: str | None = None, method: str | None = None, path_regex: str | None = None
    ) -> list[Call]:
        """Return the calls that match all arguments; `path_regex` is searched in the raw path, any case."""
        pattern = re.compile(path_regex, re.IGNORECASE) if path_regex else None
        return [
            call
            for call in self._calls
            if (server is None or call.server == server)
            and (method is None or call.method == method.upper())
            and (pattern is None or pattern.search(call.path))
        ]

    def around(self, server: str, app: ASGIApp) -> ASGIApp:
        """Return `app` with the journal in front of it."""

        async def journaled(scope: Scope, receive: Receive, send: Send) -> None:
            number, at, begin, status = next(self._numbers), datetime.now(UTC), time.perf_counter(), 0

            async def watched(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            try:
                await app(scope, receive, watched)
            finally:
                self.total += 1
                seconds = time.perf_counter() - begin
                query = scope["query_string"].decode("latin-1")
                self._calls.append(
                    Call(number, server, scope["method"], raw_path(scope), query, status, at, seconds)
                )

        return journaled


def raw_path(scope: Scope) -> str:
    """Return the path as it was sent, percent escapes included."""
    raw: bytes = scope["raw_path"]
    return raw.decode("latin-1")
