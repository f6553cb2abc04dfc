"""The public port as the daemon composes it: one deadline for a delivery, one limit for its body."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.types import ASGIApp, Message

from rotator.app.bootstrap import GatewayServices
from rotator.app.clock import SystemClock
from rotator.config import WebhookSettings
from rotator.core.observation import Observation, Request, Target
from rotator.daemon.public_port import delivery_app, public_app
from rotator.daemon.swappable_app import SwappableApp
from rotator.daemon.work.event_handler import EventHandler
from rotator.eventgrid import TokenEvent
from rotator.eventgrid.auth.authentication import Authenticator, open_authenticator
from rotator.eventgrid.webhook import ANSWER_WITHIN
from rotator.web.limits import MAX_HANDSHAKE_BYTES
from sandbox.azure.entra import TENANT, Entra
from tests.eventgrid.builders import CLOUD, GRID, RESOURCE, body, cloud, validation
from tests.loop_clock import Later

EVENT_GRID_GIVES_UP = 30.0
AUDIENCE = "api://rotator.example"
Answer = tuple[int, dict[str, str]]
EXPIRY = datetime(2025, 2, 25, 8, 56, tzinfo=UTC)


@dataclass
class SlowTargets:
    """A gateway's one Secret, in a cluster that answers once it may."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    written: asyncio.Event = field(default_factory=asyncio.Event)
    request_on_secret: Request | None = None

    async def secrets(self) -> Observation:
        self.asked.set()
        await self.may_answer.wait()
        return Observation((Target("here", "token", EXPIRY, None, (), self.request_on_secret, "1"),))

    async def request(self, target: Target, request: Request) -> None:
        self.request_on_secret = request
        self.written.set()


@dataclass
class Port:
    app: ASGIApp
    counted: Counter[tuple[str, str]] = field(default_factory=Counter)
    authenticator: Authenticator | None = None

    async def post(self, value: object, headers: dict[str, str] = CLOUD) -> Answer:
        """Deliver without a connection: return status and headers of the only answer."""
        answers: list[Message] = []
        raw = value if isinstance(value, bytes) else body(value)

        async def receive() -> Message:
            return {"type": "http.request", "body": raw, "more_body": False}

        async def send(message: Message) -> None:
            answers.append(message)

        sent = [(name.lower().encode(), said.encode()) for name, said in headers.items()]
        scope = {"type": "http", "method": "POST", "path": "/events", "query_string": b"", "headers": sent}
        await self.app({**scope, "client": ("127.0.0.1", 1)}, receive, send)
        (start,) = [m for m in answers if m["type"] == "http.response.start"]
        return start["status"], {k.decode(): v.decode() for k, v in start["headers"]}


async def at_the_deadline(later: Later, delivery: Coroutine[Any, Any, Answer], until: Any) -> Answer:
    """Return the answer to a delivery that has come as far as until says when the deadline passes."""
    answer = asyncio.create_task(delivery)
    await until
    await later.by(ANSWER_WITHIN)
    async with asyncio.timeout(5):
        return await answer


async def under_way() -> None:
    """Let the delivery go as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def accept(events: Sequence[TokenEvent]) -> Sequence[str]:
    return ["accepted"] * len(events)


@asynccontextmanager
async def public_port(settings: dict[str, Any], handle: Any = accept) -> AsyncIterator[Port]:
    table, counted = WebhookSettings(**settings), Counter[tuple[str, str]]()

    def count(kind: str, outcome: str) -> None:
        counted[kind, outcome] += 1

    async with open_authenticator(table) as authenticator:
        swappable = SwappableApp()
        swappable.swap(delivery_app(table, authenticator, handle, count))
        yield Port(public_app(swappable), counted, authenticator)


def test_the_deadline_is_earlier_than_event_grids() -> None:
    assert ANSWER_WITHIN < EVENT_GRID_GIVES_UP


async def test_a_delivery_that_waits_for_the_next_generation_is_put_off_at_the_deadline(later: Later) -> None:
    port = Port(public_app(SwappableApp()))
    status, headers = await at_the_deadline(later, port.post(cloud()), under_way())
    assert (status, headers["retry-after"]) == (503, "30")


async def test_a_delivery_whose_authentication_hangs_is_put_off_and_not_refused(later: Later) -> None:
    entra = {"tenant_id": TENANT, "audiences": [AUDIENCE], "authority": "https://127.0.0.1:1"}
    bearer = {"authorization": f"Bearer {Entra().event_grid_token(AUDIENCE)}"}
    async with public_port({"entra": entra}) as port:
        assert port.authenticator and port.authenticator.methods.bearer
        async with port.authenticator.methods.bearer.keys._lock:  # a fetch of keys that does not end
            status, headers = await at_the_deadline(later, port.post(cloud(), CLOUD | bearer), under_way())
    assert (status, headers["retry-after"]) == (503, "30")
    assert port.counted == {("Other", "undecided"): 1}


async def test_an_event_that_is_durable_only_after_the_deadline_is_put_off_and_not_lost(later: Later) -> None:
    targets, woken = SlowTargets(), list[str]()
    services = SimpleNamespace(
        settings=SimpleNamespace(resource_id=SimpleNamespace(key=RESOURCE)),
        name="oslo",
        ports=SimpleNamespace(store=targets, clock=SystemClock(asyncio.Event())),
    )
    handler = EventHandler(
        {"oslo": cast(GatewayServices, services)},
        lambda gateway, _: woken.append(gateway),
    )
    async with public_port({"allow_unauthenticated": True}, handler.handle) as port:
        status, headers = await at_the_deadline(later, port.post(cloud()), targets.asked.wait())
        assert (status, headers["retry-after"]) == (503, "30")
        assert port.counted == {("NearExpiry", "postponed"): 1}
        assert targets.request_on_secret is None

        targets.may_answer.set()
        async with asyncio.timeout(5):
            await targets.written.wait()
    async with public_port({"allow_unauthenticated": True}, handler.handle) as port:
        assert (await port.post(cloud()))[0] == 200  # Event Grid retries
    assert port.counted == {("NearExpiry", "duplicate"): 1}
    assert set(woken) == {"oslo"}


async def test_a_delivery_beyond_the_limit_is_answered_413() -> None:
    async with public_port({"allow_unauthenticated": True, "max_body_bytes": 2000}) as port:
        assert (await port.post(b" " * 2001 + body(cloud())))[0] == 413
        assert (await port.post(b" " * (2000 - len(body(cloud()))) + body(cloud())))[0] == 200


@pytest.mark.parametrize(("size", "status"), [(MAX_HANDSHAKE_BYTES, 200), (MAX_HANDSHAKE_BYTES + 1, 401)])
async def test_a_handshake_without_a_credential_is_taken_up_to_its_own_limit(
    tmp_path: Path, size: int, status: int
) -> None:
    (tmp_path / "secrets").write_text("an-invented-secret-1")
    asking, handshake = GRID | {"aeg-event-type": "SubscriptionValidation"}, body([validation()])
    async with public_port({"secret_file": tmp_path / "secrets"}) as port:
        answered, headers = await port.post(b" " * (size - len(handshake)) + handshake, asking)
    assert answered == status
    assert status == 200 or (headers["www-authenticate"], headers["connection"]) == ("Bearer", "close")
