"""Ask a daemon to reload, wait for what it logs, and read its ports."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from sandbox.demo.process import Daemon
from tests.process.process_env import WAIT_TIMEOUT, ProcessEnv, fetch, run_ended

Json = dict[str, Any]


def request_reload(daemon: Daemon) -> None:
    """Have the daemon look now, not within five seconds."""
    daemon.process.send_signal(signal.SIGHUP)


def count(daemon: Daemon, wanted: Callable[[Json], bool]) -> int:
    return len([x for x in daemon.lines if wanted(x)])


async def wait_for_count(daemon: Daemon, number: int, wanted: Callable[[Json], bool]) -> None:
    """Return when there have been so many lines that are wanted."""
    await daemon.line(lambda _: count(daemon, wanted) >= number, WAIT_TIMEOUT)


def reloaded(x: Json) -> bool:
    return x["event"] == "reloaded"


def reload_refused(x: Json) -> bool:
    return "cannot be used: the previous one" in x["event"]


def looked_at(gateway: str) -> Callable[[Json], bool]:
    return lambda x: run_ended(gateway)(x) and "reload" in x["causes"]


async def readyz(daemon: Daemon) -> Json:
    found: Json = json.loads((await fetch(daemon, "/readyz"))[1])
    return found


async def metric(daemon: Daemon, name: str) -> float:
    text = (await fetch(daemon, "/metrics"))[1]
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))


async def fetch_at(number: int, path: str) -> int:
    async with aiohttp.ClientSession() as http, http.get(f"http://127.0.0.1:{number}{path}") as answer:
        return answer.status


async def port_closed(number: int) -> None:
    """Return when no server listens at the port any more: stopping takes a moment."""
    async with asyncio.timeout(WAIT_TIMEOUT):
        with contextlib.suppress(aiohttp.ClientConnectorError):
            while True:
                await fetch_at(number, "/events")


@asynccontextmanager
async def started(env: ProcessEnv, config: Path, **variables: str) -> AsyncIterator[Daemon]:
    async with Daemon(str(config), env.environment() | variables) as daemon:
        await daemon.line(lambda x: x["event"] == "ready", WAIT_TIMEOUT)
        yield daemon
