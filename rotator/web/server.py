"""Runs several HTTP servers in one event loop, each on a socket that was bound beforehand."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from math import ceil

import uvicorn
from starlette.types import ASGIApp

from rotator.config.types.names import Listen
from rotator.errors import Refused
from rotator.web.header_timeout import protocol_with_limits

KEEP_ALIVE_SECONDS = 75
"""How long an idle connection stays open: longer than at proxies (usually 60 s), so that they close it."""


def bind(listen: Listen) -> socket.socket:
    """Return a listening socket; host `::` takes IPv4 as well, port 0 is any free port.

    The system queues clients from now on; a server may be started later. Raises Refused, with a remedy.
    """
    try:
        bound = socket.create_server(
            (listen.host, listen.port),
            family=socket.AF_INET6 if ":" in listen.host else socket.AF_INET,
            dualstack_ipv6=listen.host == "::" and socket.has_dualstack_ipv6(),
        )
    except OSError as e:
        raise _cannot_listen(listen, e) from e
    # asyncio turns Nagle's algorithm off only for sockets that name their protocol. With it, each answer on
    # a kept connection would wait 40 ms for a delayed ACK.
    return socket.socket(bound.family, bound.type, socket.IPPROTO_TCP, fileno=bound.detach())


class Server:
    """One application on one socket. grace: seconds that requests under way may take after stop()."""

    def __init__(self, app: ASGIApp, sock: socket.socket, grace: float, header_seconds: float = 10.0) -> None:
        self._sock = sock
        self._uvicorn = _Uvicorn(
            uvicorn.Config(
                app,
                http=protocol_with_limits(header_seconds),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=ceil(grace),
            )
        )

    @property
    def port(self) -> int:
        port: int = self._sock.getsockname()[1]
        return port

    async def serve(self) -> None:
        """Serve until stop(); the port is closed afterwards, also if this is cancelled. Call it once."""
        try:
            await self._uvicorn.serve(sockets=[self._sock])
        except asyncio.CancelledError:
            if self._uvicorn.started:
                await self._uvicorn.shutdown(sockets=[self._sock])
            raise
        finally:
            self._sock.close()

    def stop(self) -> None:
        """Take no more requests; serve() returns when those under way are answered, or grace is over."""
        self._uvicorn.should_exit = True
        self._uvicorn.leave.set()


class _Uvicorn(uvicorn.Server):
    """Leaves signals to the daemon, and waits for stop() instead of checking a flag ten times a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.leave = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        while not await self.on_tick(0):  # renews the Date header
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await self.leave.wait()


def _cannot_listen(listen: Listen, error: OSError) -> Refused:
    host, port = listen.host, listen.port
    if error.errno == errno.EADDRINUSE:
        return Refused(
            f"port {port} is in use on {host}", "Stop what listens there, or listen on another port."
        )
    if error.errno == errno.EACCES:
        return Refused(f"this process may not listen on port {port}", "Use a port from 1024 upwards.")
    why = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
    return Refused(f"cannot listen on {host}, port {port}: {why}", "Use an address of this host, or 0.0.0.0.")
