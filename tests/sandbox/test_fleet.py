from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sandbox.azure import fingerprint
from sandbox.fleet import deploy

PLACES = {
    "how-to": ("apim-access-token", "config.service.auth.key"),
    "portal": ("oslo-token", "value"),
    "helm": (None, "gateway-key"),
}


@pytest.mark.parametrize("layout", PLACES)
async def test_each_layout_gets_ready_and_authenticated(sandbox, in_29_days, layout):
    deployed = await deploy(sandbox, layout, "oslo", namespace="apim", expires_at=in_29_days, replicas=2)
    pods = await sandbox.pods()
    assert [(pod.gateway, pod.ok) for pod in pods] == [("oslo", True)] * 2
    assert {pod.fingerprint for pod in pods} == {deployed.token_fingerprint}
    secret, key = PLACES[layout]
    assert deployed.key == key
    assert secret in (deployed.secret, None)
    assert sandbox.cluster.get("Secret", "apim", deployed.secret)["data"][key]


async def test_pods_keep_the_token_they_started_with_until_they_are_replaced(sandbox, in_29_days):
    deployed = await deploy(sandbox, "how-to", "oslo", namespace="apim", expires_at=in_29_days)
    newer = deployed.gateway.mint("secondary", in_29_days - timedelta(days=1))
    secret = sandbox.cluster.get("Secret", "apim", deployed.secret)
    secret["stringData"] = {deployed.key: f"GatewayKey {newer}"}
    sandbox.cluster.apply(secret)
    assert [pod.fingerprint for pod in await sandbox.pods()] == [deployed.token_fingerprint]
    workload = sandbox.cluster.get("Deployment", "apim", "apim-gateway")
    workload["spec"]["template"]["metadata"].setdefault("annotations", {})["mark"] = "1"
    sandbox.cluster.apply(workload)
    await sandbox.cluster.wait_for(
        lambda _: [pod.fingerprint for pod in sandbox.gateway_pods.latest()] == [fingerprint(newer)]
    )
    assert [pod.ok for pod in await sandbox.pods()] == [True]


async def test_a_gateway_can_run_in_two_places_with_tokens_of_its_own(sandbox, in_29_days):
    first = await deploy(sandbox, "how-to", "oslo", namespace="one", expires_at=in_29_days)
    second = await deploy(sandbox, "how-to", "oslo", namespace="two", expires_at=in_29_days, key="secondary")
    assert first.gateway is second.gateway
    assert first.token_fingerprint != second.token_fingerprint
    assert [(pod.namespace, pod.ok) for pod in await sandbox.pods()] == [("one", True), ("two", True)]


async def test_an_expired_token_leaves_the_pods_ready_but_not_authenticated(sandbox):
    long_ago = datetime.now(UTC) - timedelta(days=1)
    await deploy(sandbox, "portal", "oslo", namespace="apim", expires_at=long_ago)
    (pod,) = await sandbox.pods()
    assert not pod.ok
    assert sandbox.gateway_pods.answer(pod.namespace, pod.name) == (200, b"")
