"""The sandbox's Event Grid in front of our webhook: handshakes, batches, duplicates, retries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest

from rotator.errors import Unavailable
from rotator.eventgrid import Kind
from sandbox.azure.account import Azure
from sandbox.azure.delivery import HandshakeError
from sandbox.azure.eventgrid import EventGrid
from sandbox.azure.events import expired, near_expiry
from tests.eventgrid.test_webhook import EventRecorder, webhook

EXPIRY = datetime(2030, 1, 2, 3, 4, tzinfo=UTC)
Schema = Literal["eventgrid", "cloudevents"]


@pytest.mark.parametrize("schema", ["eventgrid", "cloudevents"])
@pytest.mark.parametrize("batch", [1, 10])
async def test_every_event_of_either_schema_arrives(schema: Schema, batch: int) -> None:
    recorder, gateway = EventRecorder(), Azure().add_gateway("oslo")
    pods = [near_expiry(gateway, EXPIRY, f"pod-{n}", casing="upper", schema=schema) for n in range(4)]
    async with webhook(recorder) as url, EventGrid() as azure:
        await azure.subscribe(f"{url}/events", schema=schema, batch=batch)
        await azure.deliver([*pods, expired(gateway, EXPIRY, schema=schema)], duplicates=2, shuffle=1)
        await azure.settled()
        assert azure.dead == []
    assert {(e.resource, e.expires_at) for e in recorder.events} == {(gateway.resource_id.lower(), EXPIRY)}
    assert {e.kind for e in recorder.events} == set(Kind)
    assert recorder.counted.total() == 15


async def test_what_could_not_be_noted_comes_again_until_it_could() -> None:
    recorder = EventRecorder(error=Unavailable("the cluster is unreachable", timedelta(seconds=1)))
    event = near_expiry(Azure().add_gateway("oslo"), EXPIRY)
    async with webhook(recorder) as url, EventGrid(retry_scale=0.0001) as azure:
        await azure.subscribe(f"{url}/events")
        recorder.recover_after = 3
        await azure.deliver([event])
        await azure.settled()
        assert [d.status for d in azure.deliveries] == [503, 503, 503, 200]
        assert azure.dead == []


async def test_a_broken_event_is_not_sent_again() -> None:
    recorder = EventRecorder()
    event = near_expiry(Azure().add_gateway("oslo"), EXPIRY) | {"data": {}, "subject": "", "topic": "/x"}
    async with webhook(recorder) as url, EventGrid() as azure:
        await azure.subscribe(f"{url}/events")
        await azure.deliver([event])
        await azure.settled()
        assert [d.status for d in azure.dead] == [400]


async def test_an_origin_that_is_not_allowed_gets_no_subscription() -> None:
    async with webhook(EventRecorder(), allowed_origins=("elsewhere.example",)) as url, EventGrid() as azure:
        with pytest.raises(HandshakeError):
            await azure.subscribe(f"{url}/events", schema="cloudevents")


async def test_the_end_of_a_subscription_is_taken_note_of(caplog: pytest.LogCaptureFixture) -> None:
    async with webhook(EventRecorder()) as url, EventGrid() as azure:
        await azure.subscribe(f"{url}/events")
        await azure.unsubscribe("rotator")
    assert "event subscription: SubscriptionDeletion" in caplog.text
