"""The GETs of one observation: each is made once, however many targets ask for it."""

from __future__ import annotations

import asyncio

from rotator.errors import Refused, RotatorError
from rotator.kube.answers import Json, NotFound
from rotator.kube.connection import Connection, Query


class Reads:
    """Starts requests as tasks of a group, which ends them when the observation fails."""

    def __init__(self, connection: Connection, group: asyncio.TaskGroup) -> None:
        self._connection = connection
        self._group = group
        self._asked: dict[tuple[str, Query], asyncio.Task[Json | RotatorError]] = {}

    def begin(self, path: str, what: str, query: Query = ()) -> asyncio.Task[Json | RotatorError]:
        """Ask for path now; the answer is fetched later by get."""
        key = (path, tuple(query))
        if key not in self._asked:
            self._asked[key] = self._group.create_task(self._ask(path, what, query))
        return self._asked[key]

    async def get(self, path: str, what: str, query: Query = ()) -> Json:
        """Return the answer. Raises NotFound, Refused; Unavailable ends the whole group."""
        answer = await self.begin(path, what, query)
        if isinstance(answer, RotatorError):
            raise answer
        return answer

    async def _ask(self, path: str, what: str, query: Query) -> Json | RotatorError:
        try:
            return await self._connection.call("GET", path, query=query, what=what)
        except (NotFound, Refused) as problem:
            return problem


def first_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first error in a group of a TaskGroup, which stands for the others."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
