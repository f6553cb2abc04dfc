"""The routes of the control API for faults around a rotation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sandbox import Sandbox
from sandbox.fleet import deploy

REGENERATE = "Microsoft.ApiManagement/service/gateways/regenerateKey/action"


@pytest.fixture
async def sandbox(tmp_path):
    async with Sandbox(tmp_path, ready_delay=0.01, term_delay=0.01, clusters=["hill"]) as sandbox:
        yield sandbox


async def test_a_cluster_becomes_unreachable_and_reachable_again(sandbox, call):
    assert [site["up"] for site in (await call("GET", "/clusters"))[1]] == [True, True]
    assert (await call("POST", "/clusters/hill", {"up": False}))[1]["up"] is False
    assert not sandbox.clusters["hill"].up
    assert sandbox.clusters["sandbox"].up
    _, shown = await call("POST", "/clusters/hill", {"up": True, "delay": 0.5})
    assert (shown["up"], shown["delay"], sandbox.clusters["hill"].delay) == (True, 0.5, 0.5)


async def test_azures_clock_can_be_wrong(sandbox, call):
    assert (await call("POST", "/clock", {"offset": -600}))[0] == 200
    late = timedelta(minutes=10) - (datetime.now(UTC) - sandbox.azure.time())
    assert abs(late) < timedelta(seconds=10)


async def test_a_permission_is_denied_and_allowed_again(sandbox, call):
    assert (await call("POST", "/permissions", {"action": REGENERATE, "allowed": False}))[1]["denied"] == [
        REGENERATE
    ]
    assert sandbox.azure.denied == {REGENERATE}
    await call("POST", "/permissions", {"action": REGENERATE, "allowed": True})
    assert sandbox.azure.denied == set()


async def test_a_key_is_regenerated(sandbox, call, in_29_days):
    token = sandbox.azure.add_gateway("oslo").mint("primary", in_29_days)
    status, answer = await call("POST", "/keys", {"gateway": "oslo", "key": "primary"})
    assert (status, answer["generations"]) == (200, {"primary": 2, "secondary": 1})
    assert not sandbox.azure.named("oslo")[0].accepts(token)


async def test_a_gateways_behavior_can_be_changed(sandbox, call):
    gateway = sandbox.azure.add_gateway("oslo")
    await call("POST", "/gateway-behavior", {"gateway": "oslo", "strict": True, "deterministic": False})
    assert (gateway.strict, gateway.deterministic) == (True, False)


async def test_a_conflicting_writer_is_started_listed_and_stopped(sandbox, call, in_29_days):
    place = await deploy(sandbox, "portal", "oslo", namespace="apim", expires_at=in_29_days, cluster="hill")
    order = {"kind": "Secret", "namespace": "apim", "name": place.secret, "cluster": "hill", "delay": 0}
    status, writer = await call("POST", "/conflicting-writers", order)
    assert (status, writer["restored"]) == (201, 0)
    assert "original" not in writer
    cluster = sandbox.clusters["hill"].cluster
    cluster.patch("Secret", "apim", place.secret, {"data": {place.key: "YYYY"}})
    await cluster.wait_for(lambda _: sandbox.conflicting_writers.active[writer["id"]].restored == 1)
    assert [seen["restored"] for seen in (await call("GET", "/conflicting-writers"))[1]] == [1]
    assert (await call("DELETE", f"/conflicting-writers/{writer['id']}"))[0] == 200
    assert (await call("DELETE", f"/conflicting-writers/{writer['id']}"))[0] == 404


async def test_pod_faults_and_traffic_belong_to_one_cluster(sandbox, call, in_29_days):
    await deploy(sandbox, "how-to", "oslo", namespace="apim", expires_at=in_29_days, cluster="hill")
    (pod,) = (await call("GET", "/pods"))[1]
    assert pod["cluster"] == "hill"
    assert (await call("GET", f"/traffic/apim/{pod['name']}"))[0] == 404
    assert (await call("GET", f"/traffic/apim/{pod['name']}?cluster=hill"))[0] == 200
    fault = {"namespace": "apim", "workload": "apim-gateway", "fault": "crash-loop"}
    assert (await call("POST", "/pod-faults", fault))[0] == 400
    assert (await call("POST", "/pod-faults", fault | {"cluster": "hill"}))[0] == 204


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/clusters/moon", {"up": False}),
        ("/clusters/hill", {"upp": False}),
        ("/clusters/hill", {"delay": -1}),
        ("/clock", {}),
        ("/permissions", {"action": REGENERATE}),
        ("/keys", {"gateway": "narvik", "key": "primary"}),
        ("/keys", {"gateway": "oslo", "key": "third"}),
        ("/gateway-behavior", {"gateway": "narvik"}),
        ("/conflicting-writers", {"kind": "Secret", "namespace": "apim", "name": "absent"}),
        ("/conflicting-writers", {"kind": "Secret", "namespace": "apim", "name": "x", "what": "everything"}),
    ],
)
async def test_bad_input_is_answered_with_400_and_a_sentence(sandbox, call, path, body):
    sandbox.azure.add_gateway("oslo")
    status, answer = await call("POST", path, body)
    assert status == 400
    assert " " in answer["error"]
