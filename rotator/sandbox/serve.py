"""Several HTTP servers in one event loop, on loopback ports that the system chooses."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from rotator.sandbox.tls import Certificates

TRANSPORT = "sandbox.transport"
GRACE_SECONDS = 2


class _Protocol(HttpToolsProtocol):
    """Hands its transport to the application, so that a fault can cut the connection without an answer."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {TRANSPORT: {"transport": self.transport}}


class _Server(uvicorn.Server):
    """A uvicorn server that leaves the signals alone and stops when told, not at the next tick."""

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

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - its name
        """Cut everything: a watch would never end by itself. Uvicorn's own way takes 0.1 s at least."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # the transports close their sockets
        if self.server_state.tasks:
            _, late = await asyncio.wait(self.server_state.tasks, timeout=GRACE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)


@contextlib.asynccontextmanager
async def serving(apps: dict[str, ASGIApp], secure: dict[str, Certificates]) -> AsyncIterator[dict[str, str]]:
    """Serve each application by its name; yields their base URLs. Names in `secure` speak TLS.

    At exit every open connection is cut; no port is open afterwards. Raises OSError if no port can be bound.
    """
    servers: list[_Server] = []
    tasks: list[asyncio.Task[None]] = []
    urls: dict[str, str] = {}
    try:
        for name, app in apps.items():
            files = secure.get(name)
            listener = _listener()
            urls[name] = f"{'https' if files else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
            servers.append(_Server(_config(app, files)))
            tasks.append(asyncio.create_task(servers[-1].serve(sockets=[listener]), name=f"sandbox {name}"))
        for server in servers:
            await server.ready.wait()
        yield urls
    finally:
        for server in servers:
            server.stop.set()
        await asyncio.gather(*tasks)


def _listener() -> socket.socket:
    # asyncio turns Nagle's algorithm off only for sockets that name their protocol; create_server() of socket
    # names none: every answer in two writes (headers, body) would wait 40 ms for a delayed ACK.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    return listener


def _config(app: ASGIApp, files: Certificates | None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        ssl_certfile=files.certificate if files else None,
        ssl_keyfile=files.key if files else None,
    )
