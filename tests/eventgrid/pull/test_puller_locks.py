from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta

import pytest

from rotator.config import KubernetesSettings
from rotator.eventgrid import TokenEvent
from rotator.kube import Connection
from rotator.rotation import request
from sandbox.azure.events import near_expiry
from sandbox.world import Sandbox
from tests.eventgrid.builders import cloud, data
from tests.eventgrid.pull.pull_env import FAST, SUBSCRIPTION, TOPIC, EventRecorder, Namespace, pulling
from tests.kube import scene


def other(gateway: str, **changes):
    return cloud(subject=f"/gateways/{gateway}/pod-1", data=data(gateway), **changes)


async def test_locks_are_renewed_while_dispatching_takes_its_time(sandbox: Sandbox) -> None:
    namespace = Namespace(sandbox, await sandbox.route(TOPIC, SUBSCRIPTION, lock_seconds=0.5))
    recorder = EventRecorder()
    recorder.gate.clear()
    namespace.put()

    async with pulling(namespace, recorder, replace(FAST, lock_duration=timedelta(seconds=0.3))):
        await namespace.until(lambda: len(namespace.calls("renewLock")) > 4)  # 0.75 s
        recorder.gate.set()
        await namespace.settled()

    assert len(recorder.events) == 1


async def test_a_lost_lock_means_that_the_event_comes_again(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    namespace = Namespace(sandbox, await sandbox.route(TOPIC, SUBSCRIPTION, lock_seconds=0.1))
    recorder = EventRecorder()
    recorder.gate.clear()
    namespace.put()

    async with pulling(namespace, recorder):
        await recorder.arrived.wait()
        await namespace.until(lambda: not namespace.queue.locked)
        namespace.queue.lock_seconds = 60  # the second lock is not lost, however slow this machine is
        recorder.gate.set()
        await namespace.settled()

    assert len(recorder.events) == 2
    assert "1 events could not be acknowledged" in caplog.text


@pytest.mark.parametrize(
    "fault", [{"action": "reset"}, {"action": "reset", "when": "after"}, {"action": "status"}]
)
async def test_a_lost_acknowledgement_costs_a_duplicate_at_most(sandbox: Sandbox, fault: dict) -> None:
    namespace = Namespace(sandbox, await sandbox.route(TOPIC, SUBSCRIPTION, lock_seconds=0.1))
    recorder = EventRecorder()
    namespace.fault("acknowledge", **fault)
    namespace.put()

    async with pulling(namespace, recorder):
        await namespace.settled()

    assert len(recorder.events) in (1, 2)
    assert len(namespace.queue.done) == 1


async def test_several_processes_share_the_events(namespace: Namespace) -> None:
    one, two = EventRecorder(), EventRecorder()

    async with pulling(namespace, one, max_events=1), pulling(namespace, two, max_events=1):
        namespace.put(*(other(f"gw-{n}") for n in range(40)))
        await namespace.settled()

    assert one.events
    assert two.events
    assert sorted(e.gateway for e in one.events + two.events) == sorted(f"gw-{n}" for n in range(40))


class Cluster(EventRecorder):
    """Persists events as the daemon does: on the Secret, through the real fleet."""

    def __init__(self, fleet) -> None:
        super().__init__()
        self._fleet = fleet

    def now(self):
        return scene.now()

    async def handle(self, events: Sequence[TokenEvent]) -> Sequence[str]:
        self.events.extend(events)
        return [
            str(await request(self._fleet, self, expires_at=e.expires_at, happened_at=e.time, by="x"))
            for e in events
        ]


async def test_a_crash_between_persisting_and_acknowledging_costs_a_duplicate(sandbox: Sandbox) -> None:
    namespace = Namespace(sandbox, await sandbox.route(TOPIC, SUBSCRIPTION, lock_seconds=0.3))
    gateway = sandbox.azure.add_gateway("gw1")
    sandbox.cluster.apply(scene.secret(f"GatewayKey {gateway.mint('primary', scene.in_days(7))}"))
    event = near_expiry(gateway, scene.in_days(7), schema="cloudevents")
    stuck = namespace.fault("acknowledge", action="hang")
    namespace.fault("release", action="reset")  # who is killed gives nothing back
    connection = await Connection.connect(
        KubernetesSettings(kubeconfig=sandbox.kubeconfig), "test", environ={}, call_timeout=60.0
    )
    async with AsyncExitStack() as stack:
        stack.push_async_callback(connection.close)
        killed, heir = Cluster(scene.target_store(connection)), Cluster(scene.target_store(connection))
        namespace.put(event)
        async with pulling(namespace, killed):
            await stuck.hit()
        noted = sandbox.cluster.get("Secret", "default", "s")["metadata"]

        async with pulling(namespace, heir):
            await namespace.settled()

    assert any(key.endswith("/requested-at") for key in noted["annotations"])
    assert (killed.counted, heir.counted) == (
        {("NearExpiry", "accepted"): 1},
        {("NearExpiry", "duplicate"): 1},
    )
    assert sandbox.cluster.get("Secret", "default", "s")["metadata"] == noted
