from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime

import aiohttp
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox import serve
from sandbox.fleet import deploy
from tests.sandbox.pods import crashing, ready


@pytest.fixture
async def inbox():
    """A webhook: its URL and the event batches that it received."""
    got: list[list[dict]] = []

    async def webhook(scope, receive, send):
        body = await Request(scope, receive).json()
        response = Response()
        if isinstance(body, list) and "validationCode" in body[0]["data"]:
            response = JSONResponse({"validationResponse": body[0]["data"]["validationCode"]})
        else:
            got.append(body)
        await response(scope, receive, send)

    async with serve.serving({"webhook": webhook}, {}) as urls:
        yield urls["webhook"], got


async def test_state_shows_fingerprints_and_never_tokens_or_keys(sandbox, call, in_29_days):
    gateway = sandbox.azure.add_gateway("oslo")
    token = gateway.mint("primary", in_29_days)
    gateway.regenerate("secondary")
    status, state = await call("GET", "/state")
    assert status == 200
    (seen,) = state["gateways"]
    assert seen["generations"] == {"primary": 1, "secondary": 2}
    assert seen["minted"][0]["fingerprint"] == gateway.minted[0].fingerprint
    text = json.dumps(state)
    assert not any(secret in text for secret in (token, *gateway.keys.values()))


async def test_a_fault_can_be_set_waited_for_and_cleared(sandbox, call):
    status, rule = await call("POST", "/faults", {"server": "configuration", "action": "hang"})
    assert (status, rule["hit"]) == (201, False)
    waiting = asyncio.create_task(call("GET", f"/faults/{rule['id']}?wait=30"))
    async with aiohttp.ClientSession() as session:
        request = asyncio.create_task(session.post(sandbox.configuration_url))
        assert (await waiting)[1]["caught"] == 1
        assert (await call("DELETE", "/faults"))[0] == 204
        with pytest.raises(aiohttp.ClientConnectionError):
            await request
    assert (await call("GET", f"/faults/{rule['id']}"))[0] == 404


async def test_waiting_for_a_fault_that_does_not_happen_ends_in_time(call):
    _, rule = await call("POST", "/faults", {"server": "arm", "action": "reset"})
    begin = time.perf_counter()
    status, seen = await call("GET", f"/faults/{rule['id']}?wait=0.05")
    assert (status, seen["hit"]) == (200, False)
    assert time.perf_counter() - begin >= 0.05


async def test_events_go_to_the_subscriptions(sandbox, call, inbox):
    url, got = inbox
    sandbox.azure.add_gateway("oslo")
    assert (await call("POST", "/subscriptions", {"endpoint": url}))[0] == 201
    asked = {"gateway": "OSLO", "kind": "expired", "expires_at": "2030-01-02T03:04:00Z", "count": 3}
    status, published = await call("POST", "/events", asked)
    await sandbox.eventgrid.settled()
    assert status == 202
    assert sorted(published["ids"]) == sorted(event["id"] for (event,) in got)
    assert {event["data"]["tokenInfo"]["expiredAtUtc"] for (event,) in got} == {
        "2030-01-02T03:04:00.0000000Z"
    }


async def test_calls_can_be_asked_for(sandbox, call):
    async with aiohttp.ClientSession() as session, session.get(sandbox.configuration_url + "/x"):
        pass
    status, calls = await call("GET", "/calls?server=configuration&method=get")
    assert status == 200
    assert [(seen["path"], seen["status"]) for seen in calls] == [("/x", 404)]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/faults", {"server": "moon", "action": "reset"}),
        ("POST", "/faults", {"server": "arm", "action": "reset", "colour": "red"}),
        ("POST", "/faults", {"server": "arm"}),
        ("POST", "/faults", {"server": "arm", "action": "latency", "seconds": "long"}),
        ("POST", "/faults", [1]),
        ("GET", "/faults/1?wait=soon", None),
        ("GET", "/calls?path=(", None),
        ("POST", "/events", {"gateway": "narvik", "kind": "expired"}),
        ("POST", "/events", {"gateway": "oslo", "kind": "late"}),
        ("POST", "/events", {"gateway": "oslo", "kind": "expired", "count": 0}),
        ("POST", "/events", {"gateway": "oslo", "kind": "expired", "expires_at": "soon"}),
        ("POST", "/events", {"gateway": "oslo", "kind": "expired"}),
        ("POST", "/subscriptions", {"endpoint": "https://example.org"}),
        ("POST", "/subscriptions", {"endpoint": "http://127.0.0.1:1/x"}),
        ("POST", "/subscriptions", {"endpoint": "http://127.0.0.1:1/x", "schema": "xml"}),
        ("POST", "/pod-faults", {"namespace": "apim"}),
        ("POST", "/pod-faults", {"namespace": "apim", "workload": "gw", "fault": 3}),
    ],
)
async def test_bad_input_is_answered_with_400_and_a_sentence(sandbox, call, method, path, body):
    sandbox.azure.add_gateway("oslo")
    sandbox.faults.add(server="arm", action="reset")
    status, answer = await call(method, path, body)
    assert status == 400
    assert " " in answer["error"]


async def test_pods_traffic_and_events_follow_what_runs(sandbox, call, inbox, in_29_days):
    url, got = inbox
    deployed = await deploy(sandbox, "how-to", "oslo", namespace="apim", expires_at=in_29_days)
    (pod,) = (await call("GET", "/pods"))[1]
    assert (pod["fingerprint"], pod["ok"]) == (deployed.token_fingerprint, True)
    assert await call("GET", f"/traffic/apim/{pod['name']}") == (200, {"api": "echo"})
    assert (await call("GET", "/traffic/apim/absent"))[0] == 404
    await call("POST", "/subscriptions", {"endpoint": url})
    await call("POST", "/events", {"gateway": "oslo", "kind": "near-expiry"})
    await sandbox.eventgrid.settled()
    assert got[0][0]["data"]["tokenInfo"]["expiresAtUtc"] == f"{in_29_days:%Y-%m-%dT%H:%M}:00.0000000Z"


async def test_a_workload_with_a_fault_crashes_until_the_fault_is_removed(sandbox, call):

    fault = {"namespace": "apim", "workload": "apim-gateway", "fault": "crash-loop"}
    await deploy(sandbox, "how-to", "oslo", namespace="apim", expires_at=datetime.now(UTC))
    assert (await call("POST", "/pod-faults", fault))[0] == 204
    sandbox.cluster.delete("Pod", "apim", sandbox.cluster.list("Pod", "apim")[0]["metadata"]["name"])
    await sandbox.cluster.wait_for(crashing)
    assert (await call("POST", "/pod-faults", fault | {"fault": None}))[0] == 204
    await sandbox.cluster.wait_for(ready)
