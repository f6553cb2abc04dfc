"""One cluster: its connection, opened when it can be, and left alone while nobody answers there."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from rotator.errors import Refused, RotatorError, Unavailable
from rotator.kube.client.connection import Connection
from rotator.kube.client.credentials import NoSuchContext

REST = 1.0
"""Seconds that a cluster is left alone at least; each failure in a row doubles that."""
LONGEST = 120.0
_FACTOR = 3.0
"""So many times as long as it kept us waiting is a cluster left alone."""
_OPENING = 10.0
"""Seconds for reading credentials: a plugin may have to ask somebody."""
_log = logging.getLogger("rotator.kube")


class Cluster:
    """A cluster that can be away without anybody waiting for it: who asks while it is left alone hears
    so at once, and meanwhile it is probed in the background.

    The home cluster (context None) is never left alone: whoever needs it waits for its answers.
    """

    def __init__(
        self,
        context: str | None,
        connect: Callable[[], Awaitable[Connection]] | None = None,
        *,
        connection: Connection | None = None,
        rest: float = REST,
        longest: float = LONGEST,
    ) -> None:
        """Either connect, for `open`, or a connection. rest, longest: seconds that it is left alone
        at least and at most.
        """
        self.context = context
        self._connect = connect
        self._rest = rest
        self._longest = longest
        self._connection = connection
        self._trouble: Refused | Unavailable | None = None
        self._failures = 0
        self._probing: asyncio.Task[None] | None = None
        self._back = asyncio.Event()
        self._closed = False

    @property
    def at_home(self) -> bool:
        """Whether it is the one that holds the Leases."""
        return self.context is None

    @property
    def connection(self) -> Connection | None:
        """The connection, unless it could not be opened yet or the cluster is left alone."""
        return None if self._trouble else self._connection

    async def open(self) -> None:
        """Read the credentials. Away from home, what keeps them from being read is tried again later.

        Raises:
            NoSuchContext: the configuration is wrong.
            Refused, Unavailable: as `Connection.connect`; home only.
        """
        began = asyncio.get_running_loop().time()
        try:
            await self._open()
        except NoSuchContext:
            raise
        except (Refused, Unavailable) as problem:
            if self.at_home:
                raise
            self._leave_alone(problem, asyncio.get_running_loop().time() - began)

    async def close(self) -> None:
        """Close the connection, for good. Calls under way fail, and no probe begins any more."""
        self._closed = True
        if self._probing:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)
        connection, self._connection = self._connection, None
        if connection:
            await connection.close()

    @asynccontextmanager
    async def use(self) -> AsyncIterator[Connection]:
        """Yield the connection; if it turns out that the cluster is away, leave it alone for a while.

        Raises Unavailable or Refused at once while it is left alone: what was found out before.
        """
        if self._trouble:
            raise self._trouble.with_traceback(None)
        connection, began = await self._open(), asyncio.get_running_loop().time()
        try:
            yield connection
        except Unavailable as problem:
            if not self.at_home:
                self._leave_alone(problem, asyncio.get_running_loop().time() - began)
            raise
        except RotatorError:
            self._failures = 0  # it answered
            raise
        self._failures = 0

    async def back(self) -> None:
        """Return as soon as the cluster is not left alone (any more)."""
        if self._trouble:
            await self._back.wait()

    @property
    def name(self) -> str:
        return "the home cluster" if self.at_home else f"the cluster of context {self.context}"

    async def _open(self) -> Connection:
        if self._connection is None:
            connection = await self._connected()
            if self._closed:  # meanwhile
                await connection.close()
                raise Unavailable(f"{self.name} is not open")
            self._connection = connection
        return self._connection

    async def _connected(self) -> Connection:
        """Connect; away from home in bounded time, and saying which cluster it is if that fails."""
        if self._connect is None or self._closed:
            raise Unavailable(f"{self.name} is not open")
        if self.at_home:
            return await self._connect()
        try:
            async with asyncio.timeout(_OPENING):
                return await self._connect()
        except NoSuchContext:
            raise
        except Refused as problem:
            said = str(problem).removesuffix(f". {problem.remedy}")
            raise Refused(f"{self.name}: {said}", problem.remedy) from problem
        except Unavailable as problem:
            raise Unavailable(f"{self.name}: {problem}") from problem
        except TimeoutError as problem:
            raise Unavailable(f"{self.name}: no credentials within {_OPENING:g} s") from problem

    def _leave_alone(self, problem: Refused | Unavailable, waited: float) -> None:
        if self._trouble or self._closed:
            return
        asked = problem.retry_after if isinstance(problem, Unavailable) else None
        pause = max(self._rest, _FACTOR * waited) * 2 ** min(self._failures, 10)
        pause = min(self._longest, max(pause, asked.total_seconds() if asked else 0.0))
        self._trouble = problem
        self._failures += 1
        self._back.clear()
        _log.warning("%s is left alone for %.0f s: %s", self.name, max(1.0, pause), problem)
        self._probing = asyncio.create_task(self._probe(pause), name=f"probe of {self.name}")

    async def _probe(self, pause: float) -> None:
        """Ask for something cheap, again and again, until there is an answer of any kind."""
        while True:
            await asyncio.sleep(pause)
            try:
                if trouble := await self._still_away():
                    self._trouble = trouble
                else:
                    break
            except Exception as defect:  # noqa: BLE001 - for ever away would be worse
                _log.error("%s could not be probed: %s", self.name, _told(defect))
            pause = min(self._longest, 2 * pause)
        self._trouble = None
        self._back.set()
        _log.warning("%s answers again", self.name)

    async def _still_away(self) -> Refused | Unavailable | None:
        try:
            connection = await self._open()
        except (Refused, Unavailable) as problem:
            return problem
        try:
            await connection.call("GET", "/version", what=self.name)
        except Unavailable as problem:
            return problem
        except RotatorError:
            pass  # forbidden is an answer, too
        return None


def _told(defect: Exception) -> str:
    """Return which class of exception came from where: its text may quote an answer."""
    innermost = traceback.extract_tb(defect.__traceback__)[-1]
    return f"{type(defect).__name__} in {innermost.filename.rpartition('/')[2]}:{innermost.lineno}"
