"""An Event Grid topic: publishers post events, subscriptions receive them at least once."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self

import aiohttp
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from sandbox.azure.account import SUBSCRIPTION
from sandbox.azure.delivery import (
    NEVER_RETRIED,
    SUCCESS,
    Delivery,
    Subscription,
    retry_delay,
    send,
    shake_hands,
    system_event,
)
from sandbox.azure.events import Schema, event_id, in_schema, is_cloud_event
from sandbox.common import Json, utc_now

PATH = "/api/events"
TOPIC = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/gateways/providers/Microsoft.EventGrid/topics/tokens"
_REQUIRED = ("id", "subject", "eventType", "eventTime", "data", "dataVersion")


@dataclass(frozen=True, slots=True)
class DeadEvent:
    """An event that a subscription does not get any more; `status` of the last attempt, 0: no answer."""

    event_id: str
    subscription: str
    status: int
    at: datetime


class EventGrid:
    """A topic with its subscriptions. `retry_scale` multiplies the delays of the real schedule.

    Publishers need `key` in the header aeg-sas-key. `deliveries` lists every attempt, `dead` the events that
    were given up: refused (400, 401, 403, 413), tried too often, or too old.
    """

    def __init__(self, retry_scale: float = 0.001) -> None:
        self.key = secrets.token_urlsafe(32)
        self.retry_scale = retry_scale
        self.subscriptions: dict[str, Subscription] = {}
        self.deliveries: list[Delivery] = []
        self.dead: list[DeadEvent] = []
        self.url = ""
        self._session: aiohttp.ClientSession | None = None
        self._work: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        if self._session:
            await self._session.close()

    async def subscribe(
        self,
        endpoint_url: str,
        *,
        schema: Schema = "eventgrid",
        batch: int = 1,
        headers: dict[str, str] | None = None,
        name: str = "rotator",
        bearer: Callable[[], str] | None = None,
        open_handshake: bool = False,
    ) -> Subscription:
        """Create or update a subscription after its handshake; see `Subscription`. Raises HandshakeError."""
        created = Subscription(
            name, endpoint_url, schema, batch, TOPIC, headers or {}, bearer, open_handshake
        )
        await shake_hands(self._http(), created, f"{self.url.removesuffix(PATH)}/validate?id={name}")
        self.subscriptions[name] = created
        return created

    async def unsubscribe(self, name: str) -> None:
        """Remove a subscription and notify its endpoint (Event Grid schema only). Its answer is ignored."""
        removed = self.subscriptions.pop(name)
        if removed.schema == "eventgrid":
            data = {"eventSubscriptionId": f"{TOPIC}/eventSubscriptions/{name}"}
            event = system_event(removed, "SubscriptionDeletion", data)
            await send(self._http(), removed, [event], kind="SubscriptionDeletion")

    async def deliver(
        self, events: Sequence[Json], *, duplicates: int = 0, shuffle: int | None = None
    ) -> list[str]:
        """Start to deliver events to all subscriptions and return their ids. `settled()` waits for the end.

        Each event is sent 1 + `duplicates` times. `shuffle` is the seed of a random order.
        """
        copies = [event for event in events for _ in range(1 + duplicates)]
        if shuffle is not None:
            random.Random(shuffle).shuffle(copies)  # noqa: S311 - a reproducible order, not a secret
        for to in self.subscriptions.values():
            for start in range(0, len(copies), to.batch):
                batch = [in_schema(event, to.schema) for event in copies[start : start + to.batch]]
                task = asyncio.create_task(self._push(to, batch))
                self._work.add(task)
                task.add_done_callback(self._work.discard)
        return [event_id(event) for event in events]

    async def settled(self) -> None:
        """Wait until every delivery has succeeded or is dead."""
        while under_way := [task for task in self._work if not task.done()]:
            await asyncio.gather(*under_way)

    async def _push(self, to: Subscription, events: list[Json]) -> None:
        attempt, waited, status = 0, 0.0, 0
        while True:
            attempt += 1
            answer = await send(self._http(), to, events, kind="Notification", attempt=attempt)
            status, now = answer.status, utc_now()
            self.deliveries.extend(
                Delivery(event_id(event), attempt, status, now, to.name) for event in events
            )
            delay = retry_delay(attempt, waited)
            if status in SUCCESS:
                return
            if status in NEVER_RETRIED or delay is None or to.name not in self.subscriptions:
                self.dead.extend(DeadEvent(event_id(event), to.name, status, now) for event in events)
                return
            waited += delay
            await asyncio.sleep(delay * self.retry_scale)

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the Event Grid of the sandbox is not running")
        return self._session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._respond(Request(scope, receive))
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        if request.url.path == "/validate":
            return Response("Webhook successfully validated as a subscription endpoint")
        if request.url.path != PATH or request.method != "POST":
            return _refusal(404, "NotFound", "Events are published by POST /api/events.")
        if not secrets.compare_digest(request.headers.get("aeg-sas-key", ""), self.key):
            return _refusal(
                401, "Unauthorized", "The request authorization key is not authorized for TOKENS."
            )
        try:
            body = await request.json()
        except ValueError:
            body = None
        events = [body] if isinstance(body, dict) else body
        if not isinstance(events, list) or not all(_acceptable(event) for event in events):
            return _refusal(400, "BadRequest", "The body has no events of a schema that this topic accepts.")
        await self.deliver([_stamped(event) for event in events])
        return Response(status_code=200)


def _acceptable(event: object) -> bool:
    return isinstance(event, dict) and (is_cloud_event(event) or all(name in event for name in _REQUIRED))


def _stamped(event: Json) -> Json:
    """Return the event as Event Grid delivers it: its own schema names the topic."""
    return event if is_cloud_event(event) else event | {"topic": event.get("topic") or TOPIC}


def _refusal(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status)
