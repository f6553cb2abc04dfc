"""I7 for this room: a token's value is in the Secret and nowhere else."""

from __future__ import annotations

import json

import pytest

from rotator.core.observation import Request
from rotator.errors import RotatorError
from rotator.kube import Clusters, EventSink
from rotator.kube.targets.secret import LAST_APPLIED
from tests.kube.data import encoded
from tests.kube.fleets import fleet_of, now, only, record_of, secret, workload


@pytest.fixture
def hidden(scene):
    """Every form in which a value might show."""
    bare = [scene.value, scene.fresh.value]
    prefixed = [f"GatewayKey {value}" for value in bare]
    signatures = [value.rsplit("&", 1)[1] for value in bare]
    return [*bare, *signatures, *map(encoded, bare), *map(encoded, prefixed)]


def shows(text: str, hidden: list[str]) -> bool:
    return any(value in text for value in hidden)


async def test_a_whole_rotation_logs_no_value(scene, hidden, said):
    seen = await scene.fleet.observe()
    await scene.fleet.request(only(seen), Request(now()))
    await scene.fleet.write(only(await scene.fleet.observe()), scene.fresh, record_of(scene.fresh))
    seen = await scene.fleet.observe()
    await scene.fleet.restart(only(seen), workload(seen), scene.fresh.fingerprint)
    found = await scene.fleet.find(scene.fresh.fingerprint)
    assert not shows(said(), hidden)
    assert not shows(repr((seen, found, scene.fleet._looks)), hidden)


@pytest.mark.parametrize("status", [400, 403, 409, 422, 500])
async def test_a_server_that_quotes_the_body_does_not_make_it_into_an_error(scene, hidden, said, status):
    quoted = f'invalid: "{scene.fresh.value}" {encoded("GatewayKey " + scene.fresh.value)}'
    body = json.dumps({"kind": "Status", "message": quoted, "reason": "Invalid", "code": status})
    found = only(await scene.fleet.observe())
    scene.sandbox.faults.add(server="kubernetes", method="PATCH", action="status", status=status, body=body)
    with pytest.raises(RotatorError) as failed:
        await scene.fleet.write(found, scene.fresh, record_of(scene.fresh))
    error = failed.value
    assert not shows(f"{error!r} {error.__cause__!r} {error.__context__!r} {said()}", hidden)


@pytest.fixture
async def sink(connection):
    sink = EventSink(Clusters.of(connection), "apim-token-rotator", "tests")
    yield sink
    await sink.aclose()


async def test_a_copy_that_kubectl_apply_left_is_removed_and_told(scene, hidden, said, sink):
    applied = json.dumps(secret(scene.value))
    scene.sandbox.cluster.apply(secret(scene.value, annotations={LAST_APPLIED: applied, "team": "blue"}))
    fleet = fleet_of(scene.connection, events=sink)
    await fleet.write(only(await fleet.observe()), None, record_of(scene.fresh))
    await sink.aclose()
    annotations = scene.secret()["metadata"]["annotations"]
    assert LAST_APPLIED not in annotations
    assert annotations["team"] == "blue"
    told = [e for e in scene.sandbox.cluster.list("Event", "default") if e["reason"] == "TokenInAnnotation"]
    assert [e["involvedObject"]["uid"] for e in told] == [scene.secret()["metadata"]["uid"]]
    assert "Secret default/s: kubectl apply had left a copy of a token" in said()
    assert not shows(said() + str(told), hidden)


async def test_a_copy_without_a_token_stays(scene, said):
    applied = json.dumps(secret("<token>"))
    scene.sandbox.cluster.apply(secret(scene.value, annotations={LAST_APPLIED: applied}))
    await scene.fleet.write(only(await scene.fleet.observe()), None, record_of(scene.fresh))
    assert scene.secret()["metadata"]["annotations"][LAST_APPLIED] == applied
    assert "kubectl" not in said()
