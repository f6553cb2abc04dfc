from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field

import pytest
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError
from azure.core.messaging import CloudEvent
from azure.eventgrid import EventGridEvent
from azure.eventgrid.aio import EventGridPublisherClient
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox import serve
from sandbox.azure.delivery import MAX_RETRY_TIME, HandshakeError, retry_delay
from sandbox.azure.events import near_expiry


@dataclass
class Webhook:
    """Answers handshakes correctly, and deliveries with the given statuses, then with 200."""

    statuses: list[int] = field(default_factory=list)
    handshake: dict = field(default_factory=dict)
    requests: list[tuple[dict, object]] = field(default_factory=list)

    async def __call__(self, scope, receive, send):
        request = Request(scope, receive)
        await (await self.answer(request))(scope, receive, send)

    async def answer(self, request):
        if request.method == "OPTIONS":
            usual = {
                "WebHook-Allowed-Origin": "eventgrid.azure.net",
                "WebHook-Allowed-Rate": "*",
                "Allow": "POST",
            }
            return Response(
                headers={name: value for name, value in (usual | self.handshake).items() if value}
            )
        body = await request.json()
        self.requests.append((dict(request.headers), body))
        if request.headers["aeg-event-type"] == "SubscriptionValidation":
            code = body[0]["data"]["validationCode"]
            return JSONResponse({"validationResponse": code} | self.handshake)
        return Response(status_code=self.statuses.pop(0) if self.statuses else 200)

    def notifications(self):
        return [
            (headers, body) for headers, body in self.requests if headers["aeg-event-type"] == "Notification"
        ]


@pytest.fixture
def webhook():
    return Webhook()


@pytest.fixture
async def url(webhook):
    async with serve.serving({"webhook": webhook}, {}) as urls:
        yield urls["webhook"] + "/events"


@pytest.fixture
def event(oslo, in_29_days):
    return near_expiry(oslo, in_29_days)


async def test_event_grid_events_come_as_an_array_with_the_usual_headers(cloud, webhook, url, event):
    await cloud.eventgrid.subscribe(url, headers={"X-Secret": "not-a-real-one"}, name="night")
    await cloud.eventgrid.deliver([event])
    await cloud.eventgrid.settled()
    ((validation, (first,)), (headers, body)) = webhook.requests
    assert validation["x-secret"] == headers["x-secret"] == "not-a-real-one"
    assert first["eventType"] == "Microsoft.EventGrid.SubscriptionValidationEvent"
    assert body == [event]
    assert headers["content-type"].startswith("application/json")
    assert headers["aeg-subscription-name"] == "NIGHT"
    assert headers["aeg-delivery-count"] == "0"
    assert [(sent.event_id, sent.attempt, sent.status) for sent in cloud.eventgrid.deliveries] == [
        (event["id"], 1, 200)
    ]


@pytest.mark.parametrize(
    ("batch", "content_type", "kind"),
    [(1, "application/cloudevents+json", dict), (5, "application/cloudevents-batch+json", list)],
)
async def test_cloud_events_come_alone_or_in_a_batch(cloud, webhook, url, event, batch, content_type, kind):
    await cloud.eventgrid.subscribe(url, schema="cloudevents", batch=batch)
    await cloud.eventgrid.deliver([event])
    await cloud.eventgrid.settled()
    ((headers, body),) = webhook.notifications()
    assert headers["content-type"].startswith(content_type)
    assert isinstance(body, kind)
    assert (body if isinstance(body, dict) else body[0])["specversion"] == "1.0"


@pytest.mark.parametrize(
    ("schema", "wrong", "complaint"),
    [
        ("eventgrid", {"validationResponse": "something else"}, "validationCode"),
        ("cloudevents", {"WebHook-Allowed-Origin": "example.org"}, "WebHook-Allowed-Origin"),
        ("cloudevents", {"WebHook-Allowed-Rate": ""}, "WebHook-Allowed-Rate"),
        ("cloudevents", {"Allow": "GET"}, "Allow"),
    ],
)
async def test_a_wrong_handshake_is_reported_and_nothing_is_subscribed(
    cloud, webhook, url, schema, wrong, complaint
):
    webhook.handshake = wrong
    with pytest.raises(HandshakeError, match=complaint):
        await cloud.eventgrid.subscribe(url, schema=schema)
    assert cloud.eventgrid.subscriptions == {}


async def test_an_endpoint_that_does_not_listen_fails_the_handshake(cloud):
    with pytest.raises(HandshakeError, match="nothing"):
        await cloud.eventgrid.subscribe("http://127.0.0.1:1/events")


async def test_a_failed_delivery_is_tried_again_and_counted(cloud, webhook, url, event):
    webhook.statuses = [503, 500, 202]
    await cloud.eventgrid.subscribe(url)
    await cloud.eventgrid.deliver([event])
    await cloud.eventgrid.settled()
    assert [(sent.attempt, sent.status) for sent in cloud.eventgrid.deliveries] == [
        (1, 503),
        (2, 500),
        (3, 202),
    ]
    assert [headers["aeg-delivery-count"] for headers, _ in webhook.notifications()] == ["0", "1", "2"]
    assert cloud.eventgrid.dead == []


@pytest.mark.parametrize("status", [400, 401, 403, 413])
async def test_a_refusal_is_never_retried(cloud, webhook, url, event, status):
    webhook.statuses = [status]
    await cloud.eventgrid.subscribe(url)
    await cloud.eventgrid.deliver([event])
    await cloud.eventgrid.settled()
    assert [(dead.event_id, dead.status) for dead in cloud.eventgrid.dead] == [(event["id"], status)]
    assert len(webhook.notifications()) == 1


async def test_an_event_that_never_succeeds_dies_after_the_whole_schedule(cloud, webhook, url, event):
    webhook.statuses = [503] * 100
    cloud.eventgrid.retry_scale = 0.000_001
    await cloud.eventgrid.subscribe(url)
    await cloud.eventgrid.deliver([event])
    await cloud.eventgrid.settled()
    assert len(cloud.eventgrid.dead) == 1
    assert len(webhook.notifications()) == 11


def test_retry_delays_are_the_documented_ones_up_to_a_day():
    waited, seen = 0.0, []
    while (wait := retry_delay(len(seen) + 1, waited)) is not None:
        seen.append(wait)
        waited += wait
    assert seen[:9] == [10, 30, 60, 300, 600, 1800, 3600, 10800, 21600]
    assert waited <= MAX_RETRY_TIME
    assert retry_delay(30, 0.0) is None


async def test_duplicates_are_shuffled_in_a_repeatable_order(cloud, webhook, url, oslo, in_29_days):
    events = [near_expiry(oslo, in_29_days, f"pod-{n}") for n in range(10)]
    await cloud.eventgrid.subscribe(url, batch=100)
    for _ in range(2):
        await cloud.eventgrid.deliver(events, duplicates=2, shuffle=7)
        await cloud.eventgrid.settled()
    first, second = (body for _, body in webhook.notifications())
    assert first == second
    assert set(Counter(event["id"] for event in first).values()) == {3}
    assert first != [event for event in events for _ in range(3)]


async def test_batches_are_at_most_as_large_as_agreed(cloud, webhook, url, oslo, in_29_days):
    await cloud.eventgrid.subscribe(url, batch=4)
    await cloud.eventgrid.deliver([near_expiry(oslo, in_29_days) for _ in range(10)])
    await cloud.eventgrid.settled()
    assert sorted(len(body) for _, body in webhook.notifications()) == [2, 4, 4]


async def test_settling_does_not_wait_for_deliveries_that_have_just_ended(cloud, webhook, url, event):
    """A task's callbacks run one turn of the loop after its end. This test checks in between."""
    await cloud.eventgrid.subscribe(url)
    before = asyncio.all_tasks()
    await cloud.eventgrid.deliver([event])
    (delivery,) = asyncio.all_tasks() - before
    while not delivery.done():
        await asyncio.sleep(0)
    with pytest.raises(StopIteration):
        cloud.eventgrid.settled().send(None)
    assert len(webhook.notifications()) == 1


async def test_unsubscribing_notifies_the_endpoint_and_ends_the_deliveries(cloud, webhook, url, event):
    await cloud.eventgrid.subscribe(url)
    await cloud.eventgrid.unsubscribe("rotator")
    await cloud.eventgrid.deliver([event])
    await cloud.eventgrid.settled()
    headers, (body,) = webhook.requests[-1]
    assert headers["aeg-event-type"] == "SubscriptionDeletion"
    assert body["eventType"] == "Microsoft.EventGrid.SubscriptionDeletedEvent"
    assert webhook.notifications() == []


async def test_the_sdk_publishes_both_schemas(cloud, webhook, url):
    await cloud.eventgrid.subscribe(url)
    credential = AzureKeyCredential(cloud.eventgrid.key)
    async with EventGridPublisherClient(cloud.eventgrid.url, credential) as publisher:
        await publisher.send(
            [EventGridEvent("s", "t", {"a": 1}, "1"), EventGridEvent("s", "t", {"a": 2}, "1")]
        )
        await publisher.send(CloudEvent("/source", "t", data={"a": 3}))
    await cloud.eventgrid.settled()
    events = [event for _, body in webhook.notifications() for event in body]
    assert sorted(event["data"]["a"] for event in events) == [1, 2, 3]
    assert all(event["topic"] for event in events)


async def test_a_publisher_with_a_wrong_key_or_a_wrong_body_is_refused(cloud):
    async with EventGridPublisherClient(cloud.eventgrid.url, AzureKeyCredential("wrong")) as publisher:
        with pytest.raises(HttpResponseError) as refused:
            await publisher.send(CloudEvent("/source", "t"))
    assert refused.value.status_code == 401
    async with EventGridPublisherClient(
        cloud.eventgrid.url, AzureKeyCredential(cloud.eventgrid.key)
    ) as publisher:
        with pytest.raises(HttpResponseError) as refused:
            await publisher.send([{"just": "anything"}])
    assert refused.value.status_code == 400


async def test_secrets_of_a_subscription_are_in_no_repr(cloud, url):
    made = await cloud.eventgrid.subscribe(url + "?code=not-a-real-code", headers={"X-Key": "not-a-real-key"})
    assert "not-a-real" not in repr(made)
    assert json.dumps(list(made.headers))
