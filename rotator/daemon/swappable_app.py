"""Stands in front of an application that is replaced while requests come in."""

from __future__ import annotations

import asyncio

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class SwappableApp:
    """Passes requests to the present application. While there is none, requests wait: bound that outside."""

    def __init__(self) -> None:
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
        """As pause, for good: requests that wait, and later ones, are answered 503."""
        self.pause()
        self._closed = True
        self._swapped.set()

    async def idle(self) -> None:
        """Return when no request is under way."""
        await self._idle.wait()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while self._app is None and not self._closed:
            await self._swapped.wait()
        if self._app is None:
            await JSONResponse({"error": "not now"}, 503, {"retry-after": "10"})(scope, receive, send)
            return
        self._under_way += 1
        self._idle.clear()
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()
