"""The failures of regenerateKey, and their effect on pods that start afterwards."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import aiohttp
import pytest
from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError, ServiceResponseError
from azure.mgmt.apimanagement.models import GatewayKeyRegenerationRequestContract as Regeneration

from sandbox import Sandbox
from sandbox.fleet import deploy

OSLO = ("gateways", "contoso", "oslo")


async def regenerate(client, **options):
    await client.gateway.regenerate_key(*OSLO, Regeneration(key_type="primary"), **options)


async def test_it_may_act_and_answer_500(arm, oslo, cloud):
    cloud.faults.add(server="arm", path="/regenerateKey$", action="status", status=500, when="after")
    with pytest.raises(HttpResponseError):
        await regenerate(arm())
    assert oslo.generations == {"primary": 2, "secondary": 1}


async def test_it_may_act_and_drop_the_connection(arm, oslo, cloud):
    cloud.faults.add(server="arm", path="/regenerateKey$", action="reset", when="after")
    with pytest.raises((ServiceRequestError, ServiceResponseError)):
        await regenerate(arm())
    assert oslo.generations["primary"] == 2


async def test_it_may_act_after_its_client_has_left(arm, oslo, cloud):
    held = cloud.faults.add(server="arm", path="/regenerateKey$", action="latency", seconds=0.3)
    request = asyncio.create_task(regenerate(arm(), read_timeout=0.05))
    await held.hit()
    assert oslo.generations["primary"] == 1
    with pytest.raises(AzureError):
        await request
    async with asyncio.timeout(60):
        while oslo.generations["primary"] == 1:
            await asyncio.sleep(0.01)


async def test_it_may_be_forbidden_and_then_changes_nothing(arm, oslo, cloud):
    cloud.azure.denied.add("Microsoft.ApiManagement/service/gateways/regenerateKey/action")
    with pytest.raises(HttpResponseError) as refused:
        await regenerate(arm())
    assert refused.value.status_code == 403
    assert oslo.generations["primary"] == 1


@pytest.fixture
async def sandbox(tmp_path):
    async with Sandbox(tmp_path, ready_delay=0.01, term_delay=0.01) as sandbox:
        yield sandbox


async def born_again(sandbox):
    """Delete the only pod of the gateway and return its successor as soon as it runs."""
    (old,) = sandbox.cluster.list("Pod", "apim")
    sandbox.cluster.delete("Pod", "apim", old["metadata"]["name"])

    def born(_):
        return [pod for pod in sandbox.gateway_pods.latest() if pod.name != old["metadata"]["name"]]

    await sandbox.cluster.wait_for(
        lambda cluster: bool(born(cluster)) and len(cluster.list("Pod", "apim")) == 1
    )
    (pod,) = born(None)
    return pod


async def test_a_running_pod_keeps_serving_and_a_new_one_is_ready_and_empty(sandbox, in_29_days):
    place = await deploy(sandbox, "how-to", "oslo", namespace="apim", expires_at=in_29_days)
    (before,) = await sandbox.pods()
    place.gateway.regenerate("primary")
    assert sandbox.gateway_pods.answer("apim", before.name) == (200, b'{"api":"echo"}')
    pod = await born_again(sandbox)
    assert not pod.ok
    assert sandbox.gateway_pods.answer("apim", pod.name) == (200, b"")
    await sandbox.cluster.wait_for(ready(1))
    assert sandbox.cluster.get("Pod", "apim", pod.name)["status"]["phase"] == "Running"


async def test_a_strict_gateways_new_pod_is_never_ready(sandbox, in_29_days):
    place = await deploy(sandbox, "how-to", "oslo", namespace="apim", expires_at=in_29_days)
    place.gateway.strict = True
    place.gateway.regenerate("primary")
    assert not (await born_again(sandbox)).ok
    with pytest.raises(TimeoutError):
        await sandbox.cluster.wait_for(ready(1), timeout=0.2)


def ready(count):
    def look(cluster):
        status = cluster.get("Deployment", "apim", "apim-gateway")["status"]
        return status.get("readyReplicas", 0) == count

    return look


@pytest.mark.parametrize("minutes", [-10, 0, 10])
async def test_arm_has_a_clock_of_its_own_for_dates_and_expiries(sandbox, minutes):
    """Refusals and the answers of injected faults have that date too."""
    offset = timedelta(minutes=minutes)
    sandbox.azure.shift(offset)
    gateway = sandbox.azure.add_gateway("oslo")
    sandbox.faults.add(server="arm", action="status", status=503)
    trust = ssl.create_default_context(cafile=str(sandbox.ca_file))
    async with aiohttp.ClientSession() as session:
        for status in (503, 401):
            async with session.get(sandbox.arm_url, ssl=trust) as answer:
                assert answer.status == status
                (date,) = answer.headers.getall("Date")
                ahead = parsedate_to_datetime(date) - datetime.now(UTC)
                assert abs(ahead - offset) < timedelta(seconds=5)
    token = gateway.mint("primary", datetime.now(UTC) + timedelta(minutes=5))
    assert gateway.accepts(token) is (minutes < 10)
