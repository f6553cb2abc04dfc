"""I7 for this room: a token's value is in the Secret and nowhere else."""

from __future__ import annotations

import json

import pytest

from rotator.core.observation import Request
from rotator.errors import RotatorError
from rotator.kube import Clusters, EventSink
from rotator.kube.targets.secret import LAST_APPLIED
from tests.kube.objects import encoded
from tests.kube.scene import now, only_target, only_workload, record_of, secret, target_store


@pytest.fixture
def hidden(scene):
    """Every form in which a value might show."""
    bare = [scene.value, scene.fresh.value]
    prefixed = [f"GatewayKey {value}" for value in bare]
    signatures = [value.rsplit("&", 1)[1] for value in bare]
    return [*bare, *signatures, *map(encoded, bare), *map(encoded, prefixed)]


def shows(text: str, hidden: list[str]) -> bool:
    return any(value in text for value in hidden)


async def test_a_whole_rotation_logs_no_value(scene, hidden, logged):
    observation = await scene.store.observe()
    await scene.store.request(only_target(observation), Request(now()))
    await scene.store.write(only_target(await scene.store.observe()), scene.fresh, record_of(scene.fresh))
    observation = await scene.store.observe()
    await scene.store.restart(only_target(observation), only_workload(observation), scene.fresh.fingerprint)
    found = await scene.store.find(scene.fresh.fingerprint)
    assert not shows(logged(), hidden)
    assert not shows(repr((observation, found, scene.store._observer.snapshots)), hidden)


@pytest.mark.parametrize("status", [400, 403, 409, 422, 500])
async def test_a_server_that_quotes_the_body_does_not_make_it_into_an_error(scene, hidden, logged, status):
    quoted = f'invalid: "{scene.fresh.value}" {encoded("GatewayKey " + scene.fresh.value)}'
    body = json.dumps({"kind": "Status", "message": quoted, "reason": "Invalid", "code": status})
    found = only_target(await scene.store.observe())
    scene.sandbox.faults.add(server="kubernetes", method="PATCH", action="status", status=status, body=body)
    with pytest.raises(RotatorError) as failed:
        await scene.store.write(found, scene.fresh, record_of(scene.fresh))
    error = failed.value
    assert not shows(f"{error!r} {error.__cause__!r} {error.__context__!r} {logged()}", hidden)


@pytest.fixture
async def sink(connection):
    sink = EventSink(Clusters.of(connection), "apim-token-rotator", "tests")
    yield sink
    await sink.aclose()


async def test_a_copy_that_kubectl_apply_left_is_removed_and_told(scene, hidden, logged, sink):
    applied = json.dumps(secret(scene.value))
    scene.sandbox.cluster.apply(secret(scene.value, annotations={LAST_APPLIED: applied, "team": "blue"}))
    store = target_store(scene.connection, events=sink)
    await store.write(only_target(await store.observe()), None, record_of(scene.fresh))
    await sink.aclose()
    annotations = scene.secret()["metadata"]["annotations"]
    assert LAST_APPLIED not in annotations
    assert annotations["team"] == "blue"
    told = [
        event
        for event in scene.sandbox.cluster.list("Event", "default")
        if event["reason"] == "TokenInAnnotation"
    ]
    assert [event["involvedObject"]["uid"] for event in told] == [scene.secret()["metadata"]["uid"]]
    assert "Secret default/s: kubectl apply had left a copy of a token" in logged()
    assert not shows(logged() + str(told), hidden)


async def test_a_copy_without_a_token_stays(scene, logged):
    applied = json.dumps(secret("<token>"))
    scene.sandbox.cluster.apply(secret(scene.value, annotations={LAST_APPLIED: applied}))
    await scene.store.write(only_target(await scene.store.observe()), None, record_of(scene.fresh))
    assert scene.secret()["metadata"]["annotations"][LAST_APPLIED] == applied
    assert "kubectl" not in logged()
