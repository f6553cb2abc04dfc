"""The GETs of one observation: each is made once, however many targets ask for it."""

from __future__ import annotations

import asyncio

from rotator.errors import Refused, RotatorError, Unavailable
from rotator.kube.client.connection import Connection, Query
from rotator.kube.client.responses import Json, NotFound


class Reads:
    """Starts requests to one cluster as tasks of a group, which ends them when the observation fails."""

    def __init__(self, connection: Connection, group: asyncio.TaskGroup, within: float | None = None) -> None:
        """within: seconds for all of them together, from now; None: each has its own."""
        self._connection = connection
        self._group = group
        self._end = None if within is None else asyncio.get_running_loop().time() + within
        self._asked: dict[tuple[str, Query], asyncio.Task[Json | RotatorError]] = {}

    def begin(self, path: str, what: str, query: Query = ()) -> asyncio.Task[Json | RotatorError]:
        """Ask for path now; the answer is fetched later by get."""
        key = (path, tuple(query))
        if key not in self._asked:
            self._asked[key] = self._group.create_task(self._ask(path, what, query))
        return self._asked[key]

    async def get(self, path: str, what: str, query: Query = ()) -> Json:
        """Return the answer. Raises NotFound, Refused, Unavailable."""
        answer = await self.begin(path, what, query)
        if isinstance(answer, RotatorError):
            raise answer
        return answer

    async def _ask(self, path: str, what: str, query: Query) -> Json | RotatorError:
        try:
            return await self._connection.call("GET", path, query=query, what=what, call_timeout=self._left())
        except (NotFound, Refused, Unavailable) as problem:
            return problem

    def _left(self) -> float | None:
        if self._end is None:
            return None
        return max(0.001, self._end - asyncio.get_running_loop().time())


def first_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first error in a group of a TaskGroup, which stands for the others."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
