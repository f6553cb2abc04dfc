"""What every server of the sandbox was asked: methods, paths and statuses, never bodies or header values."""

from __future__ import annotations

import itertools
import re
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.types import ASGIApp, Message, Receive, Scope, Send

REMEMBERED = 50_000


@dataclass(frozen=True, slots=True)
class Call:
    """One request; `status` 0: it ended without an answer; `seconds` until the answer's last byte."""

    n: int
    server: str
    method: str
    path: str
    query: str
    status: int
    at: datetime
    seconds: float


class Journal:
    """The last 50,000 calls to all servers in the order of their ends; `total` counts the forgotten, too."""

    def __init__(self) -> None:
        self.total = 0
        self._calls: deque[Call] = deque(maxlen=REMEMBERED)
        self._numbers = itertools.count(1)

    def calls(
        self, server: str | None = None, method: str | None = None, path_regex: str | None = None
    ) -> list[Call]:
        """The calls that match everything given; `path_regex` is searched in the raw path, ignoring case."""
        pattern = re.compile(path_regex, re.IGNORECASE) if path_regex else None
        return [
            call
            for call in self._calls
            if (server is None or call.server == server)
            and (method is None or call.method == method.upper())
            and (pattern is None or pattern.search(call.path))
        ]

    def around(self, server: str, app: ASGIApp) -> ASGIApp:
        """Put the journal in front of `app`."""

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
    """The path as it was sent, percent escapes included."""
    raw: bytes = scope["raw_path"]
    return raw.decode("latin-1")
