"""The GETs of one observation: each is made once, however many targets ask for it."""

from __future__ import annotations

import asyncio

from rotator.errors import Refused, RotatorError, Unavailable
from rotator.kube.client.connection import Connection, Query
from rotator.kube.client.responses import Json, NotFound


class RequestCache:
    """Sends requests to one cluster as tasks of a group, which cancels them when the observation fails."""

    def __init__(
        self, connection: Connection, group: asyncio.TaskGroup, time_limit: float | None = None
    ) -> None:
        """time_limit: seconds for all requests together, from now; None: each has its own time-out."""
        self._connection = connection
        self._group = group
        self._end = None if time_limit is None else asyncio.get_running_loop().time() + time_limit
        self._sent: dict[tuple[str, Query], asyncio.Task[Json | RotatorError]] = {}

    def start(self, path: str, what: str, query: Query = ()) -> asyncio.Task[Json | RotatorError]:
        """Send the request now, once; `get` returns the answer."""
        key = (path, tuple(query))
        if key not in self._sent:
            self._sent[key] = self._group.create_task(self._call(path, what, query))
        return self._sent[key]

    async def get(self, path: str, what: str, query: Query = ()) -> Json:
        """Return the answer. Raises NotFound, Refused, Unavailable."""
        answer = await self.start(path, what, query)
        if isinstance(answer, RotatorError):
            raise answer
        return answer

    async def _call(self, path: str, what: str, query: Query) -> Json | RotatorError:
        try:
            return await self._connection.call(
                "GET", path, query=query, what=what, call_timeout=self._time_left()
            )
        except (NotFound, Refused, Unavailable) as error:
            return error

    def _time_left(self) -> float | None:
        if self._end is None:
            return None
        return max(0.001, self._end - asyncio.get_running_loop().time())


def first_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first error in a group of a TaskGroup, which stands for the others."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
