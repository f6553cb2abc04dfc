from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from io import BytesIO
from typing import Any

import aiohttp
import pytest
from azure.core.credentials import AzureKeyCredential
from azure.core.messaging import CloudEvent
from azure.eventgrid import EventGridEvent
from azure.eventgrid.aio import EventGridPublisherClient

from rotator.config import Listen, WebhookSettings
from rotator.errors import Refused, Stopping, Unavailable
from rotator.eventgrid import TokenEvent, webhook_app
from rotator.web import Server, bind
from tests.eventgrid.builders import (
    CLOUD,
    EXPIRED,
    GRID,
    NEAR,
    RESOURCE,
    SERVICE,
    body,
    cloud,
    data,
    grid,
    validation,
)


@dataclass
class EventRecorder:
    """Takes events as the daemon does; a test says what becomes of them."""

    outcomes: list[str] = field(default_factory=lambda: ["accepted"])
    error: Exception | None = None
    recover_after: int = -1
    events: list[TokenEvent] = field(default_factory=list)
    counted: Counter[tuple[str, str]] = field(default_factory=Counter)

    async def handle(self, events: Sequence[TokenEvent]) -> Sequence[str]:
        self.events.extend(events)
        if self.error and self.recover_after:
            self.recover_after -= 1
            raise self.error
        return self.outcomes * len(events)

    def count_event(self, sort: str, outcome: str) -> None:
        self.counted[sort, outcome] += 1


@asynccontextmanager
async def webhook(recorder: EventRecorder, **settings: Any) -> AsyncIterator[str]:
    app = webhook_app(WebhookSettings(**settings), recorder.handle, recorder.count_event)
    server = Server(app, bind(Listen("127.0.0.1", 0)), grace=1)
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve())
        yield f"http://127.0.0.1:{server.port}"
        server.stop()


async def post(
    recorder: EventRecorder, value: object, headers: dict[str, str] = CLOUD, **settings: Any
) -> tuple[int, Any, dict[str, str]]:
    async with webhook(recorder, **settings) as url, aiohttp.ClientSession() as http:
        raw = value if isinstance(value, bytes) else body(value)
        async with http.post(f"{url}/events", data=BytesIO(raw), headers=headers) as r:
            return r.status, await r.json(), {k.lower(): v for k, v in r.headers.items()}


async def test_events_are_handled_counted_and_answered_200() -> None:
    recorder = EventRecorder()
    status, said, _ = await post(recorder, [cloud(), grid(eventType=EXPIRED)])
    assert (status, said) == (200, {"received": 2})
    assert [e.resource for e in recorder.events] == [RESOURCE, RESOURCE]
    assert recorder.counted == {("NearExpiry", "accepted"): 1, ("Expired", "accepted"): 1}


async def test_3000_pods_with_one_token_are_one_event() -> None:
    recorder = EventRecorder()
    crowd = [cloud(id=str(n), subject=f"/gateways/oslo/pod-{n}") for n in range(1500)] * 2
    status, _, _ = await post(recorder, crowd)
    assert (status, len(recorder.events)) == (200, 1)
    assert recorder.counted == {("NearExpiry", "accepted"): 1, ("NearExpiry", "duplicate"): 2999}


async def test_what_is_not_for_us_is_answered_200_and_counted() -> None:
    recorder = EventRecorder()
    status, _, _ = await post(recorder, [cloud(type="Some.Thing"), {"no": "event"}])
    assert (status, recorder.events) == (200, [])
    assert recorder.counted == {("Other", "ignored"): 1, ("Other", "invalid"): 1}


@pytest.mark.parametrize(
    ("error", "wait"),
    [
        (Unavailable("the cluster is unreachable", timedelta(seconds=7.2)), "8"),
        (Unavailable("the cluster is unreachable"), "30"),
        (Refused("may not", "Grant it."), "30"),
        (Stopping("leaving"), "30"),
        (ValueError("GatewayKey of a gateway"), "30"),
        (KeyError("GatewayKey of a gateway"), "30"),
    ],
)
async def test_a_fault_that_may_pass_is_answered_503(
    error: Exception, wait: str, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = EventRecorder(error=error)
    status, said, headers = await post(recorder, cloud())
    assert (status, headers["retry-after"]) == (503, wait)
    assert recorder.counted == {("NearExpiry", "postponed"): 1}
    assert "GatewayKey" not in caplog.text + str(said)


async def test_a_handler_that_forgets_an_event_is_answered_503() -> None:
    status, _, _ = await post(EventRecorder(outcomes=[]), cloud())
    assert status == 503


async def test_what_can_never_succeed_is_answered_400_and_quoted_nowhere(
    caplog: pytest.LogCaptureFixture,
) -> None:
    recorder = EventRecorder()
    status, said, _ = await post(recorder, b'{"type": "private words')
    assert (status, recorder.counted) == (400, {("Other", "invalid"): 1})
    assert "private" not in caplog.text + str(said)


async def test_no_log_line_quotes_an_event(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    await post(
        EventRecorder(),
        [cloud(), cloud(subject="private-words", data=data("a/b")), cloud(type="private-words")],
    )
    ours = [r.getMessage() for r in caplog.records if r.name.startswith("rotator")]
    assert ours == ["1 events were left out: it does not name a gateway"]


async def test_a_megabyte_and_a_half_of_events_is_taken() -> None:
    recorder = EventRecorder()
    status, said, _ = await post(recorder, [cloud(), cloud(type="x", data="y" * 1_500_000)])
    assert (status, said) == (200, {"received": 2})


async def test_the_validation_code_is_echoed_and_nothing_else() -> None:
    recorder = EventRecorder()
    headers = GRID | {"aeg-event-type": "SubscriptionValidation"}
    status, said, sent = await post(recorder, [validation("X-1")], headers)
    assert (status, said, sent["content-type"]) == (200, {"validationResponse": "X-1"}, "application/json")
    assert (recorder.events, recorder.counted) == ([], {})


@pytest.mark.parametrize(
    ("origin", "status"),
    [("eventgrid.azure.net", 200), ("EventGrid.Azure.Net", 200), ("evil.example", 403), ("", 403)],
)
async def test_only_an_allowed_origin_gets_the_permission_to_send(origin: str, status: int) -> None:
    headers = {"WebHook-Request-Origin": origin}
    async with (
        webhook(EventRecorder()) as url,
        aiohttp.ClientSession() as http,
        http.options(f"{url}/events", headers=headers) as r,
    ):
        assert (r.status, "webhook-allowed-origin" in r.headers) == (status, status == 200)
        if status == 200:
            assert (r.headers["webhook-allowed-origin"], r.headers["allow"]) == (origin, "POST")
            assert int(r.headers["webhook-allowed-rate"]) > 0


async def test_even_where_all_origins_may_send_one_has_to_be_named() -> None:
    async with (
        webhook(EventRecorder(), allowed_origins=("*",)) as url,
        aiohttp.ClientSession() as http,
        http.options(f"{url}/events") as without,
        http.options(f"{url}/events", headers={"WebHook-Request-Origin": "any.example"}) as named,
    ):
        assert (without.status, named.status) == (403, 200)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/events", 405),
        ("HEAD", "/events", 405),
        ("PUT", "/events", 405),
        ("POST", "/events/", 404),
        ("POST", "/", 404),
        ("GET", "/metrics", 404),
        ("GET", "/healthz", 404),
    ],
)
async def test_the_public_port_does_nothing_else(method: str, path: str, status: int) -> None:
    async with (
        webhook(EventRecorder()) as url,
        aiohttp.ClientSession() as http,
        http.request(method, url + path, data=body(cloud()), headers=CLOUD, allow_redirects=False) as r,
    ):
        assert r.status == status


@pytest.mark.parametrize(
    "event",
    [
        CloudEvent(source=SERVICE, type=NEAR, subject="/gateways/oslo/pod-1", data=data()),
        EventGridEvent("/gateways/oslo/pod-1", NEAR, data(), "1", topic=SERVICE),
    ],
)
async def test_events_as_the_sdk_sends_them_are_taken(event: Any) -> None:
    recorder = EventRecorder()
    key = AzureKeyCredential("invented")
    async with webhook(recorder) as url, EventGridPublisherClient(f"{url}/events", key) as client:
        await client.send([event])
    assert [(e.resource, e.instance, e.event_id) for e in recorder.events] == [
        (RESOURCE, "pod-1", str(event.id))
    ]
    assert recorder.events[0].time is not None
