"""Used throughout the sandbox: raw JSON, clocks, kinds of workload, and requests whose client leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, TypeVar

from starlette.types import Receive

Json = dict[str, Any]
"""A raw JSON object, as sent over HTTP."""
Clock = Callable[[], datetime]
"""Returns the current time (UTC)."""
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")
"""The kinds of workload that may run a gateway."""
Result = TypeVar("Result")


def utc_now() -> datetime:
    return datetime.now(UTC)


async def disconnected(receive: Receive) -> None:
    """Wait until the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def while_connected(work: Coroutine[Any, Any, Result], receive: Receive) -> Result | None:
    """Run `work` until it ends or the client leaves. Return its result, or None if the client left first."""
    tasks = asyncio.create_task(work), asyncio.create_task(disconnected(receive))
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return None if tasks[0].cancelled() else tasks[0].result()
