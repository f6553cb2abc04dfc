from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from rotator.errors import Refused, RotatorError, Stopping, Unavailable
from rotator.eventgrid import TokenEvent
from sandbox.azure.events import near_expiry
from sandbox.azure.pull_queue import REJECTED
from tests.eventgrid.builders import RESOURCE, cloud, data
from tests.eventgrid.pull.pull_env import FAST, EventRecorder, Namespace, pulling
from tests.kube import scene


def other(gateway: str, **changes):
    return cloud(subject=f"/gateways/{gateway}/pod-1", data=data(gateway), **changes)


class OrderRecorder(EventRecorder):
    """Notes how many events were acknowledged when each was dispatched."""

    def __init__(self, namespace: Namespace) -> None:
        super().__init__()
        self.namespace = namespace
        self.done_before: list[int] = []

    async def handle(self, events: Sequence[TokenEvent]) -> Sequence[str]:
        self.done_before.append(len(self.namespace.queue.done))
        return await super().handle(events)


async def test_an_event_is_handled_and_then_acknowledged(namespace: Namespace) -> None:
    recorder = OrderRecorder(namespace)
    namespace.put()

    async with pulling(namespace, recorder):
        await namespace.settled()

    assert [e.resource for e in recorder.events] == [RESOURCE]
    assert (recorder.done_before, len(namespace.queue.done)) == ([0], 1)
    assert recorder.counted == {("NearExpiry", "accepted"): 1}
    assert recorder.reports[0] == ""


async def test_the_system_topics_events_arrive_through_the_namespace(namespace: Namespace) -> None:
    recorder, gateway = EventRecorder(), namespace.sandbox.azure.add_gateway("oslo")
    event = near_expiry(gateway, scene.in_days(7))

    async with pulling(namespace, recorder):
        await namespace.sandbox.eventgrid.deliver([event], duplicates=2)
        await namespace.until(lambda: len(namespace.queue.done) == 3)

    assert {e.event_id for e in recorder.events} == {event["id"]}
    assert {e.expires_at for e in recorder.events} == {scene.in_days(7)}


async def test_a_batch_survives_envelopes_that_the_sdk_raises_on(namespace: Namespace) -> None:
    """`specVersion` is what Microsoft's documentation has."""
    recorder = EventRecorder()
    upper = {name[0].upper() + name[1:]: value for name, value in other("upper").items()}
    lower = other("lower") | {"specversion": "1.0"}
    lower.pop("specVersion")
    namespace.put(other("documented"), upper, lower)

    async with pulling(namespace, recorder):
        await namespace.settled()

    assert sorted(e.gateway for e in recorder.events) == ["documented", "lower", "upper"]
    assert len(namespace.queue.done) == 3


@pytest.mark.parametrize(
    "poison",
    [
        cloud(source="/elsewhere"),
        cloud(data=data(expiresAtUtc="soon")),
        {"no": "event"},
        "no object",
        [],
        None,
    ],
)
async def test_a_poison_event_is_rejected_and_the_others_are_not(
    namespace: Namespace, poison: object
) -> None:
    recorder = EventRecorder()
    namespace.put(other("one"), poison, other("two"))

    async with pulling(namespace, recorder):
        await namespace.settled()

    assert [(d.event, d.reason, d.deliveries) for d in namespace.queue.dead] == [(poison, REJECTED, 1)]
    assert recorder.counted == {("NearExpiry", "accepted"): 2, ("Other", "invalid"): 1}


async def test_what_is_not_for_us_is_acknowledged_and_counted(namespace: Namespace) -> None:
    recorder = EventRecorder(outcomes={"bergen": "foreign"})
    namespace.put(cloud(type="Some.Thing"), other("bergen"))

    async with pulling(namespace, recorder):
        await namespace.settled()

    assert recorder.counted == {("Other", "ignored"): 1, ("NearExpiry", "foreign"): 1}
    assert (len(namespace.queue.done), namespace.queue.dead) == (2, [])


async def test_3000_pods_with_one_token_are_one_event_per_batch(namespace: Namespace) -> None:
    recorder = EventRecorder()
    namespace.put(*(cloud(id=str(n), subject=f"/gateways/oslo/pod-{n}") for n in range(3000)))

    async with pulling(namespace, recorder):
        await namespace.settled()

    assert len(recorder.events) == 30
    assert recorder.counted == {("NearExpiry", "accepted"): 30, ("NearExpiry", "duplicate"): 2970}


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("the cluster is unreachable"),
        Unavailable("the cluster is unreachable", timedelta(seconds=9)),
        Refused("may not", "Grant it."),
        Stopping("leaving"),
        ValueError("GatewayKey of a gateway"),
        TimeoutError(),
        asyncio.CancelledError(),
    ],
)
async def test_an_event_that_could_not_be_made_durable_is_given_back_and_comes_again(
    namespace: Namespace, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = EventRecorder(errors={"oslo": [error]})
    namespace.put()

    async with pulling(namespace, recorder):
        await namespace.settled()

    assert len(recorder.events) == 2
    assert recorder.counted == {("NearExpiry", "postponed"): 1, ("NearExpiry", "accepted"): 1}
    assert namespace.calls("release")[0].query.endswith("releaseDelayInSeconds=10")
    assert "GatewayKey" not in caplog.text
    assert not isinstance(error, RotatorError) or f"put off: {error}" in caplog.text


async def test_an_unreachable_cluster_delays_no_other_gateways_events(namespace: Namespace) -> None:
    recorder = EventRecorder(errors={"bergen": [Unavailable("unreachable")] * 2})
    namespace.put(other("bergen"), other("oslo"))

    async with pulling(namespace, recorder):
        await namespace.settled()

    assert [e.gateway for e in recorder.events] == ["bergen", "oslo", "bergen", "bergen"]


async def test_what_takes_too_long_to_be_made_durable_is_given_back(namespace: Namespace) -> None:
    recorder = EventRecorder()
    recorder.gate.clear()
    namespace.put()

    async with pulling(namespace, recorder, replace(FAST, handle_timeout=timedelta(seconds=0.05))):
        await namespace.until(lambda: namespace.calls("release"))
        recorder.gate.set()
        await namespace.settled()

    assert recorder.counted["NearExpiry", "postponed"] >= 1
