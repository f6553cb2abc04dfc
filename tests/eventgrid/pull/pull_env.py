"""A puller at work on the sandbox's namespace, with the real SDK, and a recorder where its events arrive."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import aiohttp
from azure.core.pipeline.transport import AioHttpTransport

from rotator.azure.credential import Credential, build
from rotator.azure.eventgrid_client import EventGridClient
from rotator.config import AzureSettings
from rotator.config.schema.pull import PullSettings
from rotator.eventgrid import TokenEvent
from rotator.eventgrid.pull.puller import Puller, Timing
from rotator.retry import Backoff
from sandbox.azure.pull_queue import PullQueue
from sandbox.world import Sandbox
from tests.eventgrid.builders import cloud

TOPIC, SUBSCRIPTION = "gateway-tokens", "rotator"
IDENTITY = AzureSettings(credential="managed-identity")
FAST = Timing(Backoff(first=timedelta(seconds=0.02), longest=timedelta(seconds=0.1)))


@dataclass
class EventRecorder:
    """Takes events as the daemon does; a test says what becomes of them.

    errors: by gateway, what is raised, one after the other. gate: dispatching waits until it is open.
    """

    outcomes: dict[str, str] = field(default_factory=dict)
    errors: dict[str, list[BaseException]] = field(default_factory=dict)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    events: list[TokenEvent] = field(default_factory=list)
    counted: Counter[tuple[str, str]] = field(default_factory=Counter)
    reports: list[str] = field(default_factory=list)
    signed_in: int = 0

    def __post_init__(self) -> None:
        self.gate.set()

    async def handle(self, events: Sequence[TokenEvent]) -> Sequence[str]:
        self.events.extend(events)
        self.arrived.set()
        await self.gate.wait()
        return [self._outcome(event) for event in events]

    def count_event(self, sort: str, outcome: str) -> None:
        self.counted[sort, outcome] += 1

    def _outcome(self, event: TokenEvent) -> str:
        if errors := self.errors.get(event.gateway):
            raise errors.pop(0)
        return self.outcomes.get(event.gateway, "accepted")


@dataclass
class Namespace:
    """One subscription of the sandbox. Its events are pulled a hundred times as fast as in Azure."""

    sandbox: Sandbox
    queue: PullQueue

    def put(self, *events: Any) -> None:
        """As they come over the wire, whatever they are; without arguments one complaint about oslo."""
        self.queue.put(events or [cloud()])
        self.sandbox.namespace.publish("without subscribers", [])  # wakes the waiting polls

    async def until(self, so: Any) -> None:
        await self.sandbox.namespace.wait_for(so)

    async def settled(self) -> None:
        """Wait until no event is left."""
        await self.until(lambda: not self.queue.waiting)

    def calls(self, action: str) -> list[Any]:
        return self.sandbox.journal.calls("namespace", path_regex=f":{action}$")

    def fault(self, call: str, **fault: Any) -> Any:
        return self.sandbox.faults.add(server="namespace", path=f":{call}$", **fault)


@asynccontextmanager
async def transport(sandbox: Sandbox, *, trust: bool = True) -> AsyncIterator[AioHttpTransport]:
    context = ssl.create_default_context(cafile=sandbox.ca_file if trust else None)
    connector = aiohttp.TCPConnector(ssl=context)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        yield AioHttpTransport(session=session, session_owner=False)


def asked(sandbox: Sandbox, **settings: Any) -> PullSettings:
    where = {"endpoint": sandbox.namespace_url, "topic": TOPIC, "subscription": SUBSCRIPTION}
    return PullSettings(**(where | settings))


@asynccontextmanager
async def pulling(
    namespace: Namespace, recorder: Any, timing: Timing = FAST, *, trust: bool = True, **options: Any
) -> AsyncIterator[asyncio.Task[None]]:
    """Run a puller; it is cancelled in the end, and has to end then."""
    sandbox = namespace.sandbox
    async with transport(sandbox, trust=trust) as way:

        def credentials() -> Credential:
            recorder.signed_in += 1
            return build(IDENTITY, sandbox.identity_env, way)

        settings = asked(sandbox, **options)
        puller = Puller(
            settings,
            EventGridClient(settings, credentials, way),
            recorder.handle,
            recorder.count_event,
            report=recorder.reports.append,
            timing=timing,
        )
        task = asyncio.create_task(puller.run())
        try:
            yield task
        finally:
            task.cancel()
            (ended,) = await asyncio.gather(task, return_exceptions=True)
            assert isinstance(ended, asyncio.CancelledError), ended
