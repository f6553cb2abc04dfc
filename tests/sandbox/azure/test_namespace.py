"""Pull delivery, with the real consumer client."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.core.messaging import CloudEvent
from azure.core.pipeline.transport import AioHttpTransport
from azure.eventgrid.aio import EventGridConsumerClient, EventGridPublisherClient
from azure.identity.aio import ManagedIdentityCredential

from sandbox.azure.events import NEAR_EXPIRY, near_expiry
from sandbox.azure.pull_queue import BAD, EXHAUSTED, LOST, REJECTED, PullQueue
from sandbox.world import Sandbox

TOPIC = "gateway-tokens"


class Clients:
    """Creates clients that trust the sandbox's authority and sign in with its managed identity."""

    def __init__(self, sandbox: Sandbox, credential: ManagedIdentityCredential, session) -> None:
        self._url = sandbox.namespace_url
        self._transport = AioHttpTransport(session=session, session_owner=False)
        self._credential = credential

    def consumer(self, topic=TOPIC, credential=None) -> EventGridConsumerClient:
        return EventGridConsumerClient(
            self._url,
            credential or self._credential,
            namespace_topic=topic,
            subscription="rotator",
            transport=self._transport,
            retry_total=0,
        )

    def publisher(self) -> EventGridPublisherClient:
        return EventGridPublisherClient(
            self._url, self._credential, namespace_topic=TOPIC, transport=self._transport, retry_total=0
        )


@pytest.fixture
async def clients(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Clients]:
    sandbox.namespace.time_scale = 0.01
    for name, value in sandbox.identity_env.items():
        monkeypatch.setenv(name, value)
    context = ssl.create_default_context(cafile=sandbox.ca_file)
    async with AsyncExitStack() as stack:
        connector = aiohttp.TCPConnector(ssl=context)
        session = await stack.enter_async_context(
            aiohttp.ClientSession(connector=connector, auto_decompress=False)
        )
        credential = await stack.enter_async_context(ManagedIdentityCredential())
        yield Clients(sandbox, credential, session)


@dataclass
class Time:
    """The clock of a queue, which only the test moves."""

    seconds: float = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def queue(sandbox: Sandbox, time: Time, monkeypatch: pytest.MonkeyPatch) -> PullQueue:
    made = await sandbox.route(TOPIC, "rotator", lock_seconds=0.3, max_deliveries=2)
    monkeypatch.setattr(made, "_clock", time)
    return made


def event(sandbox: Sandbox, **form: str):
    gateway = next(iter(sandbox.azure.gateways), None) or sandbox.azure.add_gateway("oslo")
    return near_expiry(gateway, datetime.now(UTC) + timedelta(days=7), **form)


async def received(client: EventGridConsumerClient, most: int = 100):
    return await client.receive(max_events=most, max_wait_time=10)


async def one(client: EventGridConsumerClient):
    (detail,) = await received(client)
    return detail.broker_properties


async def test_what_the_system_topic_publishes_can_be_pulled(
    sandbox: Sandbox, clients: Clients, queue: PullQueue
) -> None:
    (name,) = await sandbox.eventgrid.deliver([event(sandbox)])
    await sandbox.eventgrid.settled()

    (detail,) = await received(clients.consumer())

    assert (detail.event.id, detail.event.type) == (name, NEAR_EXPIRY)
    assert detail.broker_properties.delivery_count == 1
    assert (queue.waiting, queue.locked) == (1, 1)


async def test_the_real_publisher_reaches_all_subscriptions(
    sandbox: Sandbox, clients: Clients, queue: PullQueue
) -> None:
    other = sandbox.namespace.subscribe(TOPIC, "other")

    await clients.publisher().send([CloudEvent(source="/s", type="T", data={"n": n}) for n in range(3)])

    assert [detail.event.data["n"] for detail in await received(clients.consumer(), 2)] == [0, 1]
    assert (queue.waiting, queue.locked, other.waiting, other.locked) == (3, 2, 3, 0)


async def test_a_poll_without_events_ends_empty_and_one_with_events_ends_at_once(
    sandbox: Sandbox, clients: Clients, queue: PullQueue
) -> None:
    assert await received(clients.consumer()) == []
    sandbox.namespace.time_scale = 60.0  # the poll may last ten minutes

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        poll = group.create_task(received(clients.consumer()))
        await asyncio.sleep(0)
        sandbox.namespace.publish(TOPIC, [event(sandbox, schema="cloudevents", casing="lower")])

    assert (len(poll.result()), queue.locked) == (1, 1)


async def test_nothing_is_locked_for_a_client_that_has_left(
    sandbox: Sandbox, clients: Clients, queue: PullQueue
) -> None:
    sandbox.namespace.time_scale = 1.0
    arrived = sandbox.faults.add(server="namespace", action="latency")
    poll = asyncio.create_task(clients.consumer().receive(max_events=1, max_wait_time=120))
    await arrived.hit()
    poll.cancel()
    await asyncio.wait({poll})
    while not sandbox.journal.calls("namespace"):
        await asyncio.sleep(0.01)

    sandbox.namespace.publish(TOPIC, [event(sandbox)])

    assert (queue.waiting, queue.locked) == (1, 0)


async def test_an_acknowledged_event_is_done_and_a_second_acknowledgement_fails(
    sandbox: Sandbox, clients: Clients, queue: PullQueue
) -> None:
    sandbox.namespace.publish(TOPIC, [event(sandbox, schema="cloudevents", casing="lower")])
    client = clients.consumer()
    token = (await one(client)).lock_token

    first = await client.acknowledge(lock_tokens=[token])
    second = await client.acknowledge(lock_tokens=[token, "made up"])

    assert (first.succeeded_lock_tokens, first.failed_lock_tokens) == ([token], [])
    assert {failed.lock_token: failed.error.code for failed in second.failed_lock_tokens} == {
        token: LOST,
        "made up": BAD,
    }
    assert (len(queue.done), queue.waiting) == (1, 0)


async def test_a_released_event_comes_again_after_its_delay(
    sandbox: Sandbox, clients: Clients, queue: PullQueue, time: Time
) -> None:
    sandbox.namespace.publish(TOPIC, [event(sandbox, schema="cloudevents", casing="lower")])
    client = clients.consumer()
    await client.release(lock_tokens=[(await one(client)).lock_token], release_delay=60)
    assert (queue.waiting, queue.locked) == (1, 0)
    time.seconds += 0.59  # a second takes a hundredth of one here
    assert await received(client) == []

    time.seconds += 0.01

    assert (await one(client)).delivery_count == 2


async def test_a_lock_expires_and_a_renewed_one_does_not(
    sandbox: Sandbox, clients: Clients, queue: PullQueue, time: Time
) -> None:
    sandbox.namespace.publish(TOPIC, [event(sandbox, schema="cloudevents", casing="lower")])
    client = clients.consumer()
    token = (await one(client)).lock_token
    for _ in range(3):
        time.seconds += 0.29
        assert not (await client.renew_locks(lock_tokens=[token])).failed_lock_tokens

    time.seconds += 0.3

    assert queue.locked == 0
    (failed,) = (await client.acknowledge(lock_tokens=[token])).failed_lock_tokens
    assert failed.error.code == LOST
    assert (await one(client)).delivery_count == 2


async def test_rejected_or_delivered_too_often_is_dead(
    sandbox: Sandbox, clients: Clients, queue: PullQueue
) -> None:
    client = clients.consumer()
    sandbox.namespace.publish(TOPIC, [event(sandbox, schema="cloudevents", casing="lower")])
    await client.reject(lock_tokens=[(await one(client)).lock_token])
    sandbox.namespace.publish(TOPIC, [event(sandbox, schema="cloudevents", casing="lower")])

    for _ in range(2):
        await client.release(lock_tokens=[(await one(client)).lock_token])

    assert [(letter.reason, letter.deliveries) for letter in queue.dead] == [(REJECTED, 1), (EXHAUSTED, 2)]
    assert queue.waiting == 0


async def test_wrong_keys_tokens_and_names_are_refused(
    sandbox: Sandbox, clients: Clients, queue: PullQueue
) -> None:
    with pytest.raises(ClientAuthenticationError):
        await received(clients.consumer(credential=AzureKeyCredential("not-a-real-key")))
    with pytest.raises(ResourceNotFoundError):
        await received(clients.consumer(topic="nothing"))
    sandbox.azure.identity.forget()
    with pytest.raises(ClientAuthenticationError):
        await received(clients.consumer())


@pytest.mark.parametrize("asked", [{"max_events": 101}, {"max_events": 0}, {"max_wait_time": 9}])
async def test_limits_are_those_of_the_protocol(clients: Clients, queue: PullQueue, asked: dict) -> None:
    with pytest.raises(HttpResponseError) as refused:
        await clients.consumer().receive(**asked)
    assert refused.value.status_code == 400


async def test_a_release_delay_is_one_of_five(sandbox: Sandbox, clients: Clients, queue: PullQueue) -> None:
    with pytest.raises(HttpResponseError, match="releaseDelayInSeconds"):
        await clients.consumer().release(lock_tokens=["x"], release_delay=11)


async def test_faults_can_be_put_in_front(sandbox: Sandbox, clients: Clients, queue: PullQueue) -> None:
    rule = sandbox.faults.add(server="namespace", action="status", status=403, path=":receive")
    with pytest.raises(HttpResponseError):
        await received(clients.consumer())
    assert rule.caught == 1


async def test_another_process_can_ask_for_a_route(sandbox: Sandbox, clients: Clients) -> None:
    async with aiohttp.ClientSession() as http:
        async with http.post(f"{sandbox.control_url}/routes", json={"topic": TOPIC}) as answer:
            assert (answer.status, await answer.json()) == (201, {"endpoint": sandbox.namespace_url})
        async with http.post(f"{sandbox.control_url}/routes", json={"topic": "a/b"}) as answer:
            assert answer.status == 400

    await sandbox.eventgrid.deliver([event(sandbox)])
    await sandbox.eventgrid.settled()

    assert len(await received(clients.consumer())) == 1
