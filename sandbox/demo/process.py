"""A `rotator` process of its own, whose log lines are followed."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

Json = dict[str, Any]
LEAVE_WITHIN = 15


class DaemonError(Exception):
    """The daemon ended, or did not say in time what was waited for."""


class Daemon:
    """`rotator run` in a process of its own, an async context manager. Its lines are kept and awaited.

    program: what Python runs as rotator.
    """

    def __init__(
        self,
        config: str,
        env: Mapping[str, str],
        tell: Callable[[Json], None] = lambda _: None,
        program: Sequence[str] = ("-m", "rotator"),
    ) -> None:
        self._config = config
        self._env = env
        self._tell = tell
        self._program = program
        self._news = asyncio.Condition()
        self.lines: deque[Json] = deque(maxlen=10_000)
        self.process: asyncio.subprocess.Process
        self._reader: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        command = (sys.executable, *self._program, "run", "--config", self._config)
        self.process = await asyncio.create_subprocess_exec(
            *command, env=dict(self._env), stderr=asyncio.subprocess.PIPE, limit=2**20
        )
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.leave()

    async def leave(self) -> int:
        """Ask it to leave (SIGTERM) and return its exit code; kill it if it does not go."""
        if self.process.returncode is None:
            self.process.terminate()
        try:
            async with asyncio.timeout(LEAVE_WITHIN):
                code = await self.process.wait()
        except TimeoutError:
            self.process.kill()
            code = await self.process.wait()
        await self._reader
        return code

    async def kill(self) -> None:
        """End it as a node's crash would (SIGKILL)."""
        self.process.kill()
        await self.process.wait()
        await self._reader

    async def line(self, wanted: Callable[[Json], bool], within: float) -> Json:
        """Return the first line, past or to come, that is wanted.

        Raises:
            DaemonError: none came within so many seconds, or the process ended.
        """
        async with self._news:
            try:
                async with asyncio.timeout(within):
                    while not (found := next((x for x in self.lines if wanted(x)), None)):
                        if self._reader.done():
                            raise DaemonError("the daemon ended early")
                        await self._news.wait()
            except TimeoutError:
                raise DaemonError(f"the daemon did not get there within {within:g} s") from None
            return found

    async def _read(self) -> None:
        assert self.process.stderr  # noqa: S101 - it was asked for
        async for raw in self.process.stderr:
            try:
                line = json.loads(raw)
            except ValueError:
                line = {"event": raw.decode(errors="replace").rstrip(), "level": "raw"}
            async with self._news:
                self.lines.append(line)
                self._news.notify_all()
            self._tell(line)
        async with self._news:
            self._news.notify_all()
