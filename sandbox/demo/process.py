"""Starts `rotator` in a process of its own and reads its log lines."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Self

from sandbox.common import Json

STOP_TIMEOUT = 15
"""Seconds after SIGTERM until the process is killed."""


class DaemonError(Exception):
    """The daemon ended, or did not log the expected line in time."""


class Daemon:
    """`rotator run` in a process of its own, an async context manager; `lines` are its log lines.

    on_line: called with each log line. program: the arguments with which Python runs rotator.
    """

    def __init__(
        self,
        config: str,
        env: Mapping[str, str],
        on_line: Callable[[Json], None] = lambda _: None,
        program: Sequence[str] = ("-m", "rotator"),
    ) -> None:
        self._config = config
        self._env = env
        self._on_line = on_line
        self._program = program
        self._changed = asyncio.Condition()
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
        await self.stop()

    async def stop(self) -> int:
        """Send SIGTERM and return the exit code. Kill the process if it does not end in time."""
        if self.process.returncode is None:
            self.process.terminate()
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                code = await self.process.wait()
        except TimeoutError:
            self.process.kill()
            code = await self.process.wait()
        await self._reader
        return code

    async def kill(self) -> None:
        """Kill the process (SIGKILL), as the crash of a node does."""
        self.process.kill()
        await self.process.wait()
        await self._reader

    async def line(self, wanted: Callable[[Json], bool], within: float) -> Json:
        """Return the first line for which `wanted` is true, among those so far and those to come.

        Raises:
            DaemonError: there was none within so many seconds, or the process ended.
        """
        async with self._changed:
            try:
                async with asyncio.timeout(within):
                    while not (found := next((line for line in self.lines if wanted(line)), None)):
                        if self._reader.done():
                            raise DaemonError("the daemon ended early")
                        await self._changed.wait()
            except TimeoutError:
                raise DaemonError(f"the daemon did not log the expected line within {within:g} s") from None
            return found

    async def _read(self) -> None:
        assert self.process.stderr  # noqa: S101 - the command asks for it
        async for raw in self.process.stderr:
            try:
                line = json.loads(raw)
            except ValueError:
                line = {"event": raw.decode(errors="replace").rstrip(), "level": "raw"}
            async with self._changed:
                self.lines.append(line)
                self._changed.notify_all()
            self._on_line(line)
        async with self._changed:
            self._changed.notify_all()
