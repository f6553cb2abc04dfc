from __future__ import annotations

import asyncio
import json
import logging
import traceback
from dataclasses import replace
from datetime import timedelta

import pytest

from rotator.azure.credential import build
from rotator.azure.eventgrid_client import EventGridClient
from rotator.errors import RotatorError, Unavailable
from tests.eventgrid.builders import cloud, data
from tests.eventgrid.pull.pull_env import FAST, IDENTITY, EventRecorder, Namespace, asked, pulling, transport


def other(gateway: str):
    return cloud(subject=f"/gateways/{gateway}/pod-1", data=data(gateway))


WRONG = [
    ({"action": "status", "status": 400}, "delivery mode is Queue"),
    ({"action": "status", "status": 401}, "audience under [pull]"),
    ({"action": "status", "status": 403}, 'Grant its identity the role "EventGrid Data Receiver"'),
    ({"action": "status", "status": 404}, "Check endpoint, topic and subscription"),
    ({"action": "status", "status": 429}, "it answered 429"),
    ({"action": "status", "status": 503}, "it answered 503"),
    ({"action": "status", "status": 200, "body": "<html>"}, "is there a proxy in between?"),
    ({"action": "status", "status": 200, "body": "[" * 100_000}, "is there a proxy in between?"),
    ({"action": "status", "status": 200, "body": '{"value": {}}'}, "is there a proxy in between?"),
    ({"action": "reset"}, "the connection broke"),
]


@pytest.mark.parametrize(("fault", "sentence"), WRONG)
async def test_a_fault_is_told_once_and_survived(
    namespace: Namespace, fault: dict, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = EventRecorder()
    namespace.fault("receive", times=3, **fault)
    namespace.put()

    async with pulling(namespace, recorder):
        await namespace.settled()

    assert [sentence in told for told in recorder.reports] == [True, True, True, False]
    assert recorder.reports[-1] == ""
    assert caplog.text.count(sentence) == 1


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"endpoint": "https://127.0.0.1:1"}, "127.0.0.1 cannot be reached"),
        ({"trust": False}, "the server's certificate is not trusted"),
        ({"topic": "nothing"}, "of nothing/rotator: there is none. Check endpoint, topic and subscription"),
    ],
)
async def test_a_wrong_setting_is_told(namespace: Namespace, wrong: dict, sentence: str) -> None:
    recorder = EventRecorder()

    async with pulling(namespace, recorder, **wrong):
        while len(recorder.reports) < 2:
            await asyncio.sleep(0.01)

    assert all(sentence in told for told in recorder.reports)


async def test_an_identity_that_hands_out_no_token_is_told(namespace: Namespace) -> None:
    recorder = EventRecorder()
    namespace.sandbox.faults.add(server="identity", action="status", status=400, times=None)

    async with pulling(namespace, recorder):
        while not recorder.reports:
            await asyncio.sleep(0.01)

    assert "own credential was not accepted" in recorder.reports[0]


async def test_a_credential_that_is_rejected_is_made_anew(namespace: Namespace) -> None:
    """The SDK would offer the same bearer token again until it expires, in a day perhaps."""
    recorder = EventRecorder()

    async with pulling(namespace, recorder):
        await namespace.until(lambda: recorder.reports)
        namespace.sandbox.azure.identity.forget()
        namespace.put()
        await namespace.settled()

    assert recorder.signed_in == 2


async def test_retry_after_is_heeded(namespace: Namespace) -> None:
    namespace.fault("receive", action="status", status=429, retry_after=1)
    namespace.put()

    async with pulling(namespace, EventRecorder()):
        await namespace.settled()

    refused, fine, *_ = namespace.calls("receive")
    assert fine.at - refused.at >= timedelta(seconds=1)


async def test_what_answers_at_once_with_nothing_is_not_asked_in_a_tight_loop(namespace: Namespace) -> None:
    rule = namespace.fault("receive", action="status", status=200, body='{"value": []}', times=None)
    begun = asyncio.get_running_loop().time()

    async with pulling(
        namespace, EventRecorder(), replace(FAST, backoff=replace(FAST.backoff, first=timedelta(seconds=0.1)))
    ):
        await rule.hit(4)

    assert asyncio.get_running_loop().time() - begun >= 0.3


async def test_while_nothing_can_be_made_durable_less_is_fetched(namespace: Namespace) -> None:
    """Each time that an event is fetched uses one of its deliveries up."""
    names = [f"gw-{n}" for n in range(4)]
    recorder = EventRecorder(errors={name: [Unavailable("unreachable")] * 50 for name in names})
    namespace.put(*(other(name) for name in names))

    async with pulling(
        namespace,
        recorder,
        replace(FAST, backoff=replace(FAST.backoff, first=timedelta(seconds=0.05))),
        max_events=1,
    ):
        await namespace.until(lambda: len(namespace.calls("receive")) > 3)

    first, _, _, fourth, *_ = namespace.calls("receive")
    assert fourth.at - first.at >= timedelta(seconds=0.05 + 0.1 + 0.1)


async def test_the_first_poll_is_short_so_that_readiness_is_known_soon(namespace: Namespace) -> None:
    async with pulling(namespace, EventRecorder(), max_wait=timedelta(seconds=30), max_events=7):
        await namespace.until(lambda: len(namespace.calls("receive")) > 1)

    first, second, *_ = (call.query for call in namespace.calls("receive"))
    assert ("maxEvents=7&maxWaitTime=10" in first, "maxWaitTime=30" in second) == (True, True)


async def test_a_long_poll_is_left_at_once_when_cancelled(namespace: Namespace) -> None:
    namespace.sandbox.namespace.time_scale = 60.0  # the first poll may last ten minutes
    rule = namespace.fault("receive", action="latency")

    async with asyncio.timeout(60), pulling(namespace, EventRecorder()):
        await rule.hit()


async def test_what_is_held_is_given_back_at_once_when_cancelled(namespace: Namespace) -> None:
    """So that another process has it now, not when the lock runs out."""
    recorder = EventRecorder()
    recorder.gate.clear()
    namespace.put()

    async with pulling(namespace, recorder):
        await recorder.arrived.wait()

    assert (namespace.queue.waiting, namespace.queue.locked) == (1, 0)
    assert recorder.counted == {}


async def test_cancelling_ends_even_if_nothing_can_be_given_back_and_that_is_told(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("rotator.eventgrid.pull.puller.GIVE_BACK_TIMEOUT", 0.1)
    namespace.fault("release", action="hang")
    recorder = EventRecorder()
    recorder.gate.clear()
    namespace.put()

    async with asyncio.timeout(60), pulling(namespace, recorder):
        await recorder.arrived.wait()

    assert "1 events were not given back: TimeoutError" in caplog.messages


async def test_nothing_of_an_event_or_an_answer_is_logged(
    namespace: Namespace, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    recorder, mark = EventRecorder(errors={"oslo": [ValueError("GatewayKey mark")]}), "GatewayKey mark"
    namespace.fault("receive", action="status", status=403, body=json.dumps({"error": {"message": mark}}))
    namespace.fault("receive", action="status", status=200, body=f"<html>{mark}")
    namespace.put(
        cloud(id=mark, data={**data(), "more": mark}),
        cloud(type=mark),
        cloud(source=mark),
        cloud(data=data(expiresAtUtc=mark)),
        {mark: mark},
    )

    async with pulling(namespace, recorder):
        await namespace.settled()

    ours = [r for r in caplog.records if r.name.startswith(("rotator.eventgrid", "azure"))]
    assert ours
    assert not [r for r in ours if "mark" in logging.Formatter().format(r) or "mark" in str(r.__dict__)]


@pytest.mark.parametrize("status", [200, 401, 403, 503])
async def test_an_error_holds_and_chains_nothing_of_an_answers_body(
    namespace: Namespace, status: int
) -> None:
    sandbox, mark = namespace.sandbox, "GatewayKey mark"
    namespace.fault("receive", action="status", status=status, body=f'{{"value": "{mark}"')

    async with transport(sandbox) as way:
        client = EventGridClient(asked(sandbox), lambda: build(IDENTITY, sandbox.identity_env, way), way)
        with pytest.raises(RotatorError) as raised:
            await client.receive(1, timedelta(seconds=10))

    assert "mark" not in "".join(traceback.format_exception(raised.value))
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None
