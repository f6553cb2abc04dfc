from __future__ import annotations

import ssl
import stat

import aiohttp
import pytest
import yaml

from sandbox import Sandbox
from sandbox.fleet import deploy


async def test_the_kubeconfig_opens_the_cluster_and_nothing_else_does(sandbox):
    config = yaml.safe_load(sandbox.kubeconfig.read_text())
    assert config["current-context"] == "sandbox"
    token = config["users"][0]["user"]["token"]
    context = ssl.create_default_context(cafile=config["clusters"][0]["cluster"]["certificate-authority"])
    url = config["clusters"][0]["cluster"]["server"] + "/api/v1/namespaces/default/secrets"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        async with session.get(url, headers={"Authorization": f"Bearer {token}"}) as answer:
            assert answer.status == 200
        async with session.get(url, headers={"Authorization": "Bearer wrong"}) as answer:
            assert answer.status == 401
    assert [call.status for call in sandbox.journal.calls("kubernetes")] == [200, 401]


async def test_files_with_secrets_are_for_their_owner_only(sandbox):
    assert stat.S_IMODE(sandbox.kubeconfig.stat().st_mode) == 0o600


async def test_the_environment_names_files_and_urls_but_holds_no_bearer_token(sandbox):
    environment = sandbox.environment()
    assert set(environment) == {"IDENTITY_ENDPOINT", "IDENTITY_HEADER", "KUBECONFIG"}
    assert (
        yaml.safe_load(sandbox.kubeconfig.read_text())["users"][0]["user"]["token"]
        not in environment.values()
    )


async def test_faults_reach_the_cluster_too(sandbox):
    rule = sandbox.faults.add(server="kubernetes", action="status", status=503)
    context = ssl.create_default_context(cafile=str(sandbox.ca_file))
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
        session.get(sandbox.kubernetes_url + "/version") as answer,
    ):
        assert answer.status == 503
        assert (await answer.json())["kind"] == "Status"
    assert rule.caught == 1


async def test_leaving_ends_watches_and_hanging_requests(tmp_path, in_29_days):
    async with aiohttp.ClientSession() as session:
        async with Sandbox(tmp_path, ready_delay=0.01, kubernetes_token="not-a-real-token") as sandbox:
            await deploy(sandbox, "how-to", "oslo", namespace="apim", expires_at=in_29_days)
            trust = ssl.create_default_context(cafile=str(sandbox.ca_file))
            watch = await session.get(
                sandbox.kubernetes_url + "/api/v1/pods?watch=true",
                headers={"Authorization": "Bearer not-a-real-token"},
                ssl=trust,
            )
            assert (await watch.content.readline()).startswith(b"{")
        with pytest.raises(aiohttp.ClientError):
            while await watch.content.readline():
                pass
        watch.close()
