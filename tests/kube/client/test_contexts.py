"""With which credentials each cluster is spoken to, and what happens when they cannot be had."""

from __future__ import annotations

import asyncio
import stat
import sys
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from rotator.config import KubernetesSettings
from rotator.errors import Refused, Unavailable
from tests.kube.two_clusters import kubeconfig, names, target_at_home, target_in_west, unobserved

PROMPT = 60.0
PLUGIN = """#!{python}
import json, pathlib
status = {{"token": (pathlib.Path(__file__).parent / "given").read_text()}}
kind = {{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}}
print(json.dumps(kind | {{"status": status}}))
"""


@pytest.fixture
def plugin(two_clusters):
    """Have west's user come from a plugin, which fails until it is given something."""
    script = two_clusters.file.parent / "plugin"
    script.write_text(PLUGIN.format(python=sys.executable))
    script.chmod(stat.S_IRWXU)
    user = two_clusters.config["users"][1]
    right, user["user"] = (
        user["user"]["token"],
        {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(script)}},
    )
    two_clusters.save()
    return lambda: (two_clusters.file.parent / "given").write_text(right)


def pod(two_clusters):
    """Return options that make this process one of a pod in the home cluster."""
    account = two_clusters.file.parent / "serviceaccount"
    account.mkdir()
    (account / "ca.crt").write_text(two_clusters.home.ca_file.read_text())
    (account / "token").write_text(two_clusters.config["users"][0]["user"]["token"])
    where = urlsplit(two_clusters.home.kubernetes_url)
    environ = {"KUBERNETES_SERVICE_HOST": str(where.hostname), "KUBERNETES_SERVICE_PORT": str(where.port)}
    return {"environ": environ, "service_account": account}


async def comes(store, *wanted: str) -> None:
    async with asyncio.timeout(PROMPT):
        while names(observation := await store.observe()) != list(wanted):
            await store.changed(observation, timedelta(seconds=0.1))


async def test_one_cluster_may_use_a_plugin(two_clusters, plugin):
    plugin()
    observation = await (await two_clusters.store()).observe()
    assert names(observation) == ["default/s", "west:default/s"]


async def test_a_plugin_that_fails_makes_only_its_own_cluster_unreachable_until_it_works(
    two_clusters, plugin
):
    store = await two_clusters.store()
    observation = await store.observe()
    only_unobserved = unobserved(observation)
    said = "the cluster of context west: the kubeconfig's exec plugin gave no credential. Run its command"
    assert (said in only_unobserved.why, only_unobserved.transient) == (True, False)
    plugin()
    async with asyncio.timeout(PROMPT):
        await store.changed(observation, timedelta(minutes=10))
    assert names(await store.observe()) == ["default/s", "west:default/s"]


async def test_a_plugin_of_the_home_cluster_that_fails_is_refused(two_clusters, plugin):
    two_clusters.config["current-context"] = "west"
    two_clusters.save()
    with pytest.raises(Refused, match="exec plugin gave no credential"):
        await two_clusters.connect([None, "home"])


async def test_a_cluster_without_a_listening_server_is_unreachable(two_clusters):
    two_clusters.config["clusters"][1]["cluster"]["server"] = "https://127.0.0.1:1"
    two_clusters.save()
    only_unobserved = unobserved(await (await two_clusters.store()).observe())
    assert ("cannot be reached" in only_unobserved.why, only_unobserved.transient) == (True, True)


async def test_home_is_the_pods_own_cluster_beside_a_kubeconfig_for_the_others(two_clusters):
    two_clusters.save(kubeconfig(west=two_clusters.west))
    settings = KubernetesSettings(kubeconfig=two_clusters.file, context="in-cluster")
    store = await two_clusters.store(settings=settings, **pod(two_clusters))
    assert names(await store.observe()) == ["default/s", "west:default/s"]
    assert [call for call in two_clusters.home.journal.calls("kubernetes") if "/leases" in call.path]


async def test_the_pods_own_cluster_may_be_a_targets(two_clusters):
    two_clusters.save(kubeconfig(west=two_clusters.west))
    contexts = [None, "in-cluster"]
    store = await two_clusters.store(
        target_at_home(), target_in_west(context="in-cluster"), contexts=contexts, **pod(two_clusters)
    )
    assert names(await store.observe()) == ["default/s", "in-cluster:default/s"]
    assert [call for call in two_clusters.west.journal.calls("kubernetes") if "/leases" in call.path]


@pytest.mark.parametrize("at_home", [True, False])
async def test_in_cluster_outside_a_pod_is_a_mistake(two_clusters, at_home):
    settings = KubernetesSettings(kubeconfig=two_clusters.file, context="in-cluster" if at_home else None)
    with pytest.raises(Refused, match="it does not run in a pod"):
        await two_clusters.connect([None] if at_home else ["in-cluster"], settings=settings)


async def test_a_pod_without_a_named_kubeconfig_finds_the_others_in_the_environments(two_clusters):
    options = pod(two_clusters)
    options["environ"]["KUBECONFIG"] = str(two_clusters.file)
    store = await two_clusters.store(settings=KubernetesSettings(), **options)
    assert names(await store.observe()) == ["default/s", "west:default/s"]


async def test_a_kubeconfig_that_comes_later_is_used_then(two_clusters):
    two_clusters.file.unlink()
    options = pod(two_clusters)
    options["environ"]["KUBECONFIG"] = str(two_clusters.file)
    store = await two_clusters.store(settings=KubernetesSettings(), **options)
    assert f"there is no kubeconfig at {two_clusters.file}" in unobserved(await store.observe()).why
    two_clusters.save()
    await comes(store, "default/s", "west:default/s")


@pytest.mark.parametrize(("context", "own", "other"), [("west", "west", "home"), (None, "home", "west")])
async def test_the_context_of_the_home_cluster_may_be_a_targets_too(two_clusters, context, own, other):
    settings = KubernetesSettings(kubeconfig=two_clusters.file, context=context)
    clusters = await two_clusters.connect([None, "west", "home"], settings=settings)
    assert clusters.at(own) is clusters.at(None)
    assert clusters.at(other) is not clusters.at(None)


async def test_in_a_pod_in_cluster_is_home(two_clusters):
    clusters = await two_clusters.connect(["in-cluster"], settings=KubernetesSettings(), **pod(two_clusters))
    assert clusters.at("in-cluster") is clusters.at(None)


async def test_a_target_by_the_home_clusters_context_is_at_home(two_clusters):
    """If it does not answer, nothing goes on."""
    store = await two_clusters.store(
        target_in_west(context="home"), target_in_west(), contexts=["home", "west"]
    )
    assert names(await store.observe()) == ["home:default/s", "west:default/s"]
    two_clusters.home.faults.add(server="kubernetes", path="/secrets/", action="status", status=500)
    with pytest.raises(Unavailable):
        await store.secrets()


async def test_homes_context_that_does_not_exist_is_refused_with_those_that_do(two_clusters):
    settings = KubernetesSettings(kubeconfig=two_clusters.file, context="nowhere")
    with pytest.raises(Refused, match=r'no context "nowhere" \(it has home, west\)'):
        await two_clusters.connect(settings=settings)
