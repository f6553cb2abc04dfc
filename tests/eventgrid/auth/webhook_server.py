"""The webhook behind its guard, served as the daemon serves it, and Azure's side of it."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from rotator.config import Listen, WebhookSettings
from rotator.daemon.public_port import delivery_app, public_app
from rotator.eventgrid import TokenEvent
from rotator.eventgrid.auth.authentication import Authenticator, open_authenticator
from rotator.web import Server, bind
from sandbox import serve, tls
from sandbox.azure.entra import TENANT, Entra
from sandbox.faults import Faults
from sandbox.journal import Journal
from tests.eventgrid.builders import CLOUD, body, cloud

AUDIENCE = "api://rotator.example"
OLD, NEW = "an-invented-secret-1", "an-invented-secret-2"


@dataclass
class Clock:
    """Monotonic seconds that a test moves."""

    seconds: float = 1000.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class EntraServer:
    """Entra, served with TLS."""

    entra: Entra
    faults: Faults
    journal: Journal
    ca: Path

    def table(self, **changes: Any) -> dict[str, Any]:
        """[webhook.entra] for it."""
        return {"tenant_id": TENANT, "audiences": [AUDIENCE], "authority": self.entra.url} | changes

    @property
    def fetches(self) -> int:
        return len(self.journal.calls("entra"))


@asynccontextmanager
async def serving_entra(directory: Path) -> AsyncIterator[EntraServer]:
    made = EntraServer(Entra(), Faults(), Journal(), tls.create(directory).ca)
    files = tls.Certificates(made.ca, directory / "server.pem", directory / "server-key.pem")
    app = made.journal.around("entra", made.faults.around("entra", made.entra))
    async with serve.serving({"entra": app}, {"entra": files}) as urls:
        made.entra.url = urls["entra"]
        yield made
        made.faults.clear()


@dataclass
class WebhookServer:
    """A webhook that takes everything; `events` are the events that came in, `counted` what was observed."""

    url: str = ""
    authenticator: Authenticator | None = None
    events: list[TokenEvent] = field(default_factory=list)
    counted: Counter[tuple[str, str]] = field(default_factory=Counter)
    http: aiohttp.ClientSession | None = None

    async def handle(self, events: Sequence[TokenEvent]) -> Sequence[str]:
        self.events.extend(events)
        return ["accepted"] * len(events)

    def count_event(self, sort: str, outcome: str) -> None:
        self.counted[sort, outcome] += 1

    async def post(
        self, headers: dict[str, str] | None = None, query: str = "", value: object = None
    ) -> tuple[int, dict[str, str], str]:
        """Deliver one event: status, headers, body."""
        assert self.http
        sent = {**CLOUD, **(headers or {})}
        raw = body(cloud() if value is None else value)
        async with self.http.post(f"{self.url}/events{query}", data=raw, headers=sent) as r:
            return r.status, {k.lower(): v for k, v in r.headers.items()}, await r.text()

    async def status(self, headers: dict[str, str] | None = None, query: str = "") -> int:
        return (await self.post(headers, query))[0]

    async def bearer(self, token: str) -> int:
        return await self.status({"Authorization": f"Bearer {token}"})


@asynccontextmanager
async def serving_webhook(settings: dict[str, Any], **more: Any) -> AsyncIterator[WebhookServer]:
    """The webhook as `rotator run` serves it, with these settings; more: arguments of open_authenticator."""
    made, table, clock = WebhookServer(), WebhookSettings(**settings), more.get("clock", time.monotonic)
    async with open_authenticator(table, **more) as authenticator, asyncio.TaskGroup() as group:
        app = delivery_app(table, authenticator, made.handle, made.count_event, clock)
        server = Server(public_app(app), bind(Listen("127.0.0.1", 0)), grace=1)
        group.create_task(server.serve())
        made.url, made.authenticator = f"http://127.0.0.1:{server.port}", authenticator
        try:
            async with aiohttp.ClientSession() as made.http:
                yield made
        finally:
            server.stop()


async def until(true: Callable[[], bool]) -> None:
    """Wait for something that other tasks bring about."""
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.005)
