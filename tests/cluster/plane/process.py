"""One server process: started with a log file, paused, killed and stopped by its own id."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from dataclasses import dataclass, field
from pathlib import Path

LEAVE_WITHIN = 10.0


@dataclass
class Server:
    """A command that may be started again after it was killed. What it prints goes to `log`."""

    command: tuple[str, ...]
    log: Path
    _process: asyncio.subprocess.Process | None = field(default=None, init=False)

    async def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.log.parent
            )

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def kill(self) -> None:
        """End it as a node's crash would."""
        if self._process and self.running:
            self._process.kill()
            await self._process.wait()

    def pause(self) -> None:
        """Freeze it: connections stay open, nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    async def stop(self) -> None:
        """Ask it to leave, kill it if it does not."""
        if self._process is None or not self.running:
            return
        self.resume()
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(LEAVE_WITHIN):
                await self._process.wait()
        except TimeoutError:
            await self.kill()

    def last_words(self) -> str:
        """The end of its log, for people."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-8:])

    def _signal(self, number: signal.Signals) -> None:
        if self._process and self.running:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)


def free_ports(count: int) -> list[int]:
    """Ports of loopback on which no process listens at the moment."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
