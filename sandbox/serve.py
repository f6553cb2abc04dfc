"""Runs several HTTP servers in one event loop, on free loopback ports."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from types import TracebackType
from typing import Self

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from sandbox.tls import Certificates

TRANSPORT = "sandbox.transport"
SHUTDOWN_TIMEOUT = 2
"""Seconds after which requests that still run are cancelled."""


class _Protocol(HttpToolsProtocol):
    """Passes its transport to the application, so that a fault can cut the connection without an answer."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: {"transport": self.transport}}


class _Server(uvicorn.Server):
    """A uvicorn server that handles no signals and stops at once, not at the next tick."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self.stop = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        finally:
            self.ready.set()

    async def main_loop(self) -> None:
        while not self.stop.is_set():
            await self.on_tick(0)  # sets the Date header
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self.stop.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - the signature of the base class
        """Cut all connections: a watch never ends by itself. Uvicorn's own shutdown takes at least 0.1 s."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # the transports close their sockets
        if self.server_state.tasks:
            _, late = await asyncio.wait(self.server_state.tasks, timeout=SHUTDOWN_TIMEOUT)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


class Servers:
    """An async context manager that serves each application by its name; `urls` are their base URLs.

    Applications in `secure` use TLS; those in `undated` set the `Date` header themselves. Leaving cuts every
    open connection and closes all ports. Entering raises OSError if no port can be bound.
    """

    def __init__(
        self,
        apps: Mapping[str, ASGIApp],
        secure: Mapping[str, Certificates],
        undated: Collection[str] = (),
    ) -> None:
        self.urls: dict[str, str] = {}
        self._configs = {
            name: _config(app, secure.get(name), dated=name not in undated) for name, app in apps.items()
        }
        self._secure = secure
        self._ports: dict[str, int] = {}
        self._running: dict[str, tuple[_Server, asyncio.Task[None]]] = {}
        self._reserved: dict[str, socket.socket] = {}

    async def __aenter__(self) -> Self:
        try:
            for name in self._configs:
                listener = _listener()
                port = self._ports[name] = listener.getsockname()[1]
                self.urls[name] = f"{'https' if name in self._secure else 'http'}://127.0.0.1:{port}"
                self._start(name, listener)
            for server, _ in self._running.values():
                await server.ready.wait()
        except BaseException:
            await self._stop_all()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop_all()

    def is_up(self, name: str) -> bool:
        return name in self._running

    async def down(self, name: str) -> None:
        """Cut this server's connections and refuse new ones; its port stays reserved. Safe to repeat."""
        if name in self._running:
            server, task = self._running.pop(name)
            server.stop.set()
            await task
            self._reserved[name] = _listener(
                self._ports[name]
            )  # bound, not listening: connections are refused

    async def up(self, name: str) -> None:
        """Serve again on the same port. Safe to repeat."""
        if name in self._reserved:
            self._start(name, self._reserved.pop(name))
            await self._running[name][0].ready.wait()

    def _start(self, name: str, listener: socket.socket) -> None:
        server = _Server(self._configs[name])
        task = asyncio.create_task(server.serve(sockets=[listener]), name=f"sandbox {name}")
        self._running[name] = (server, task)

    async def _stop_all(self) -> None:
        for server, _ in self._running.values():
            server.stop.set()
        await asyncio.gather(*(task for _, task in self._running.values()))
        for listener in self._reserved.values():
            listener.close()


@contextlib.asynccontextmanager
async def serving(apps: dict[str, ASGIApp], secure: dict[str, Certificates]) -> AsyncIterator[dict[str, str]]:
    """Serve as `Servers` does; yield the base URLs."""
    async with Servers(apps, secure) as servers:
        yield servers.urls


def _listener(port: int = 0) -> socket.socket:
    # asyncio turns Nagle's algorithm off only for sockets that name their protocol; create_server() of socket
    # names none: every answer in two writes (headers, body) would wait 40 ms for a delayed ACK.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    return listener


def _config(app: ASGIApp, files: Certificates | None, *, dated: bool) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=dated,
        ssl_certfile=files.certificate if files else None,
        ssl_keyfile=files.key if files else None,
    )
