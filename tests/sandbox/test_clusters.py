"""Several clusters, each with faults of its own, with one Azure."""

from __future__ import annotations

import ssl

import aiohttp
import pytest
import yaml

from sandbox import Sandbox
from sandbox.faults import FaultError
from sandbox.fleet import deploy, deploy_everywhere
from tests.sandbox.pods import crashing, ready


@pytest.fixture
async def sandbox(tmp_path):
    async with Sandbox(tmp_path, ready_delay=0.01, term_delay=0.01, clusters=["harbour", "hill"]) as sandbox:
        yield sandbox


@pytest.fixture
async def ask(sandbox):
    """Lists the Secrets of a cluster; returns (status, names)."""
    trust = ssl.create_default_context(cafile=str(sandbox.ca_file))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as session:

        async def ask(name, token=None):
            endpoint = sandbox.clusters[name]
            headers = {"Authorization": f"Bearer {token or endpoint.token}"}
            async with session.get(f"{endpoint.url}/api/v1/secrets", headers=headers) as answer:
                body = await answer.json()
                return answer.status, [item["metadata"]["name"] for item in body.get("items", [])]

        yield ask


async def test_one_kubeconfig_has_a_context_for_each(sandbox):
    config = yaml.safe_load(sandbox.kubeconfig.read_text())
    assert [context["name"] for context in config["contexts"]] == ["sandbox", "harbour", "hill"]
    assert config["current-context"] == "sandbox"
    assert len({cluster["cluster"]["server"] for cluster in config["clusters"]}) == 3
    assert len({user["user"]["token"] for user in config["users"]}) == 3


async def test_a_kubeconfig_of_some_clusters_has_only_those(sandbox, tmp_path):
    path = sandbox.write_kubeconfig(tmp_path / "some", "hill", "harbour")
    config = yaml.safe_load(path.read_text())
    assert [context["name"] for context in config["contexts"]] == ["hill", "harbour"]
    assert config["current-context"] == "hill"


async def test_a_renewed_token_ends_the_one_before(sandbox, ask):
    before = sandbox.clusters["hill"].token
    sandbox.clusters["hill"].renew_token()
    assert (await ask("hill", token=before))[0] == 401
    assert (await ask("hill"))[0] == 200


async def test_what_is_in_one_cluster_is_in_no_other(sandbox, ask, in_29_days):
    await deploy(sandbox, "how-to", "oslo", namespace="apim", expires_at=in_29_days, cluster="harbour")
    assert await ask("harbour") == (200, ["apim-access-token"])
    assert await ask("sandbox") == (200, [])
    assert (await ask("hill", token=sandbox.clusters["harbour"].token))[0] == 401


async def test_a_gateway_in_several_clusters_has_one_token_and_asks_one_azure(sandbox, in_29_days):
    places = await deploy_everywhere(
        sandbox, "portal", "oslo", ["sandbox", "harbour"], namespace="apim", expires_at=in_29_days
    )
    assert [place.cluster for place in places] == ["sandbox", "harbour"]
    assert len({place.token_fingerprint for place in places}) == 1
    assert {(pod.cluster, pod.ok) for pod in await sandbox.pods()} == {("sandbox", True), ("harbour", True)}
    assert {seen.cluster for seen in sandbox.azure.authentications} == {"sandbox", "harbour"}
    places[0].gateway.regenerate("primary")
    assert {(pod.cluster, pod.ok) for pod in await sandbox.pods()} == {("sandbox", False), ("harbour", False)}


async def test_faults_and_journal_tell_the_clusters_apart(sandbox, ask):
    sandbox.faults.add(server="kubernetes:harbour", action="status", status=503)
    assert [(await ask(name))[0] for name in ("sandbox", "harbour", "hill")] == [200, 503, 200]
    assert [call.status for call in sandbox.journal.calls("kubernetes:harbour")] == [503]
    assert [call.status for call in sandbox.journal.calls("kubernetes")] == [200]
    with pytest.raises(FaultError):
        sandbox.faults.add(server="kubernetes:valley", action="reset")


async def test_a_cluster_that_is_out_refuses_connections_and_comes_back_as_it_was(sandbox, ask, in_29_days):
    await deploy(sandbox, "how-to", "oslo", namespace="apim", expires_at=in_29_days, cluster="hill")
    url = sandbox.clusters["hill"].url
    for _ in range(2):
        await sandbox.clusters["hill"].outage()
        with pytest.raises(aiohttp.ClientConnectorError, match="Connect call failed"):
            await ask("hill")
        assert (await ask("sandbox"))[0] == 200
        await sandbox.clusters["hill"].recover()
        assert await ask("hill") == (200, ["apim-access-token"])
    assert sandbox.clusters["hill"].url == url


async def test_an_outage_cuts_watches_and_its_pods_live_on(sandbox, in_29_days):
    await deploy(sandbox, "how-to", "oslo", namespace="apim", expires_at=in_29_days, cluster="hill")
    endpoint = sandbox.clusters["hill"]
    trust = ssl.create_default_context(cafile=str(sandbox.ca_file))
    async with aiohttp.ClientSession() as session:
        watch = await session.get(
            endpoint.url + "/api/v1/pods?watch=true",
            headers={"Authorization": f"Bearer {endpoint.token}"},
            ssl=trust,
        )
        await watch.content.readline()
        await endpoint.outage()
        with pytest.raises(aiohttp.ClientError):
            while await watch.content.readline():
                pass
        watch.close()
    assert [pod.ok for pod in await sandbox.pods()] == [True]


async def test_a_world_can_be_left_during_an_outage(tmp_path):
    async with Sandbox(tmp_path, clusters=["hill"]) as sandbox:
        await sandbox.clusters["hill"].outage()
        await sandbox.clusters["sandbox"].outage()


async def test_a_slow_cluster_answers_late_and_the_others_do_not(sandbox, ask):
    sandbox.clusters["hill"].delay = 0.2
    for name in ("hill", "sandbox"):
        await ask(name)
    (slow,), (quick,) = sandbox.journal.calls("kubernetes:hill"), sandbox.journal.calls("kubernetes")
    assert quick.seconds < 0.2 <= slow.seconds


async def test_a_pod_fault_stays_in_its_cluster(sandbox, in_29_days):
    places = await deploy_everywhere(
        sandbox, "how-to", "oslo", ["harbour", "hill"], namespace="apim", expires_at=in_29_days
    )
    sandbox.clusters["hill"].cluster.set_pod_fault("apim", "apim-gateway", "crash-loop")
    for place in places:
        cluster = sandbox.clusters[place.cluster].cluster
        (pod,) = cluster.list("Pod", "apim")
        cluster.delete("Pod", "apim", pod["metadata"]["name"])
    await sandbox.clusters["hill"].cluster.wait_for(crashing)
    await sandbox.clusters["harbour"].cluster.wait_for(ready)
