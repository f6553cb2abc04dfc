"""Stands in front of an application that is replaced while requests come in."""

from __future__ import annotations

import asyncio

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

PATIENCE = 15.0
"""Seconds that a request waits for the next application; Event Grid waits 30 s for the whole answer."""


class SwappableApp:
    """Passes requests to the present application; while there is none they wait, then are asked to return."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._app: ASGIApp | None = None
        self._swapped = asyncio.Event()
        self._closed = False
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def swap(self, app: ASGIApp) -> None:
        """Pass requests to app from now on, those that wait as well."""
        self._app = app
        self._swapped.set()

    def pause(self) -> None:
        """Pass on no more requests; those under way go on: wait for them with idle()."""
        self._app = None
        self._swapped.clear()

    def close(self) -> None:
        """As pause, for good: nobody waits any more."""
        self.pause()
        self._closed = True
        self._swapped.set()

    async def idle(self) -> None:
        """Return when no request is under way."""
        await self._idle.wait()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = await self._present()
        if app is None:
            later = JSONResponse({"error": "not now"}, 503, {"retry-after": "10"})
            await later(scope, receive, send)
            return
        self._under_way += 1
        self._idle.clear()
        try:
            await app(scope, receive, send)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def _present(self) -> ASGIApp | None:
        try:
            async with asyncio.timeout(self._patience):
                while self._app is None and not self._closed:
                    await self._swapped.wait()
        except TimeoutError:
            return None
        return self._app
