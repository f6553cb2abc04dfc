"""One cluster: its connection, opened when it can be, behind a circuit breaker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from rotator.errors import Refused, RotatorError, Unavailable
from rotator.kube.client.circuit_breaker import MAX_BACKOFF, MIN_BACKOFF, CircuitBreaker
from rotator.kube.client.connection import Connection
from rotator.kube.client.credentials import NoSuchContext

_CREDENTIALS_TIMEOUT = 10.0
"""Seconds for reading the credentials of a cluster other than home: an exec plugin may call a server."""


class Cluster:
    """A cluster that delays no caller while it is unreachable: callers get the last error at once.

    The circuit of the home cluster (context None) never opens: its callers wait for its answers.
    """

    def __init__(
        self,
        context: str | None,
        connect: Callable[[], Awaitable[Connection]] | None = None,
        *,
        connection: Connection | None = None,
        min_backoff: float = MIN_BACKOFF,
        max_backoff: float = MAX_BACKOFF,
    ) -> None:
        """Either connect, which opens a connection, or a connection. Back-offs: as for CircuitBreaker."""
        self.context = context
        self._connect = connect
        self._connection = connection
        self._closed = False
        self._circuit = CircuitBreaker(self.name, self._probe, min_backoff, max_backoff)

    @property
    def name(self) -> str:
        return "the home cluster" if self.at_home else f"the cluster of context {self.context}"

    @property
    def at_home(self) -> bool:
        """Whether it is the one that holds the Leases."""
        return self.context is None

    @property
    def connection(self) -> Connection | None:
        """The connection; None if it could not be opened yet, and while the circuit is open."""
        return None if self._circuit.error else self._connection

    async def open(self) -> None:
        """Read the credentials. If that fails, other than for the home cluster, the circuit opens.

        Raises:
            NoSuchContext: the configuration is wrong.
            Refused, Unavailable: as `Connection.connect`; home only.
        """
        began = _now()
        try:
            await self._opened()
        except NoSuchContext:
            raise
        except (Refused, Unavailable) as error:
            if self.at_home:
                raise
            self._circuit.record_failure(error, _now() - began)

    async def close(self) -> None:
        """Close the connection, for good. Calls under way fail, and no probe begins any more."""
        self._closed = True
        await self._circuit.end()
        connection, self._connection = self._connection, None
        if connection:
            await connection.close()

    @asynccontextmanager
    async def use(self) -> AsyncIterator[Connection]:
        """Yield the connection. Unavailable inside of the block opens the circuit.

        Raises Unavailable or Refused at once while the circuit is open: the error that opened it.
        """
        if self._circuit.error:
            raise self._circuit.error.with_traceback(None)
        connection, began = await self._opened(), _now()
        try:
            yield connection
        except Unavailable as error:
            if not self.at_home:
                self._circuit.record_failure(error, _now() - began)
            raise
        except RotatorError:
            self._circuit.record_success()  # it answered
            raise
        self._circuit.record_success()

    async def until_reachable(self) -> None:
        """Return as soon as calls go through."""
        await self._circuit.until_closed()

    async def _opened(self) -> Connection:
        if self._connection is None:
            connection = await self._connected()
            if self._closed:  # meanwhile
                await connection.close()
                raise Unavailable(f"{self.name} is not open")
            self._connection = connection
        return self._connection

    async def _connected(self) -> Connection:
        """Connect; other than for the home cluster in bounded time, with errors that name the cluster."""
        if self._connect is None or self._closed:
            raise Unavailable(f"{self.name} is not open")
        if self.at_home:
            return await self._connect()
        try:
            async with asyncio.timeout(_CREDENTIALS_TIMEOUT):
                return await self._connect()
        except NoSuchContext:
            raise
        except Refused as error:
            message = error.message
            raise Refused(f"{self.name}: {message}", error.remedy) from error
        except Unavailable as error:
            raise Unavailable(f"{self.name}: {error}") from error
        except TimeoutError as error:
            raise Unavailable(f"{self.name}: no credentials within {_CREDENTIALS_TIMEOUT:g} s") from error

    async def _probe(self) -> None:
        """Send a cheap request; an answer of any kind will do. Raises Refused, Unavailable: no answer."""
        connection = await self._opened()
        try:
            await connection.call("GET", "/version", what=self.name)
        except Unavailable:
            raise
        except RotatorError:
            pass  # forbidden is an answer, too


def _now() -> float:
    return asyncio.get_running_loop().time()
