"""Closes connections beyond a number, and those whose request header is missing, too slow or too large:
uvicorn accepts them all, and waits without limit.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

MAX_HEADER_BYTES = 32_768
"""Size of a request's header."""
MAX_CONNECTIONS = 1_000
"""Connections of one port. Event Grid opens a few; with the largest header each, these hold 32 MB."""


def protocol_with_limits(header_seconds: float) -> type[asyncio.Protocol]:
    """Return uvicorn's protocol with limits to the header's size and the number of connections.

    header_seconds: from the first byte of a connection, or of a later request, to the end of the header.

    httptools, not h11: it refuses a request with both Content-Length and Transfer-Encoding.
    """

    class LimitedProtocol(_LimitedProtocol):
        seconds = header_seconds

    return LimitedProtocol


class _LimitedProtocol(HttpToolsProtocol):
    seconds: float

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._header_timer: asyncio.TimerHandle | None = None
        self._header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()
            return
        self._wait_for_header()

    def connection_lost(self, exc: Exception | None) -> None:
        self._header_done()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._busy:
            super().data_received(data)
            return
        # The first byte ends the keep-alive timer, even if it begins no request: the header timer takes over.
        self._wait_for_header()
        self._header_bytes += len(data)
        super().data_received(data)
        if self._header_timer and self._header_bytes > MAX_HEADER_BYTES:
            self.send_400_response("The header is too long.")

    def on_headers_complete(self) -> None:
        self._header_done()
        super().on_headers_complete()

    @property
    def _busy(self) -> bool:
        """Whether a request is being answered: what arrives meanwhile is its body, or pipelined."""
        return self.cycle is not None and not self.cycle.response_complete

    def _wait_for_header(self) -> None:
        if self._header_timer is None:
            self._header_timer = self.loop.call_later(self.seconds, self._too_slow)

    def _header_done(self) -> None:
        self._header_bytes = 0
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _too_slow(self) -> None:
        self._header_timer = None
        if not self.transport.is_closing():
            self.transport.close()
