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
from tests.kube.two import away, here, kubeconfig, names, only_absent

PROMPT = 60.0
PLUGIN = """#!{python}
import json, pathlib
status = {{"token": (pathlib.Path(__file__).parent / "given").read_text()}}
kind = {{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}}
print(json.dumps(kind | {{"status": status}}))
"""


@pytest.fixture
def plugin(two):
    """Have west's user come from a plugin, which fails until it is given something."""
    script = two.file.parent / "plugin"
    script.write_text(PLUGIN.format(python=sys.executable))
    script.chmod(stat.S_IRWXU)
    user = two.config["users"][1]
    right, user["user"] = (
        user["user"]["token"],
        {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(script)}},
    )
    two.save()
    return lambda: (two.file.parent / "given").write_text(right)


def pod(two):
    """Return options that make this process one of a pod in the home cluster."""
    account = two.file.parent / "serviceaccount"
    account.mkdir()
    (account / "ca.crt").write_text(two.home.ca_file.read_text())
    (account / "token").write_text(two.config["users"][0]["user"]["token"])
    where = urlsplit(two.home.kubernetes_url)
    environ = {"KUBERNETES_SERVICE_HOST": str(where.hostname), "KUBERNETES_SERVICE_PORT": str(where.port)}
    return {"environ": environ, "service_account": account}


async def comes(fleet, *wanted: str) -> None:
    async with asyncio.timeout(PROMPT):
        while names(seen := await fleet.observe()) != list(wanted):
            await fleet.changed(seen, timedelta(seconds=0.1))


async def test_one_cluster_may_use_a_plugin(two, plugin):
    plugin()
    seen = await (await two.fleet()).observe()
    assert names(seen) == ["default/s", "west:default/s"]


async def test_a_plugin_that_fails_keeps_only_its_own_cluster_away_until_it_works(two, plugin):
    fleet = await two.fleet()
    seen = await fleet.observe()
    absent = only_absent(seen)
    said = "the cluster of context west: the kubeconfig's exec plugin gave no credential. Run its command"
    assert (said in absent.why, absent.transient) == (True, False)
    plugin()
    async with asyncio.timeout(PROMPT):
        await fleet.changed(seen, timedelta(minutes=10))
    assert names(await fleet.observe()) == ["default/s", "west:default/s"]


async def test_a_plugin_of_the_home_cluster_that_fails_is_refused(two, plugin):
    two.config["current-context"] = "west"
    two.save()
    with pytest.raises(Refused, match="exec plugin gave no credential"):
        await two.connect([None, "home"])


async def test_a_cluster_that_nobody_listens_for_is_away(two):
    two.config["clusters"][1]["cluster"]["server"] = "https://127.0.0.1:1"
    two.save()
    absent = only_absent(await (await two.fleet()).observe())
    assert ("cannot be reached" in absent.why, absent.transient) == (True, True)


async def test_home_is_the_pods_own_cluster_beside_a_kubeconfig_for_the_others(two):
    two.save(kubeconfig(west=two.west))
    settings = KubernetesSettings(kubeconfig=two.file, context="in-cluster")
    fleet = await two.fleet(settings=settings, **pod(two))
    assert names(await fleet.observe()) == ["default/s", "west:default/s"]
    assert [c for c in two.home.journal.calls("kubernetes") if "/leases" in c.path]


async def test_the_pods_own_cluster_may_be_a_targets(two):
    two.save(kubeconfig(west=two.west))
    contexts = [None, "in-cluster"]
    fleet = await two.fleet(here(), away(context="in-cluster"), contexts=contexts, **pod(two))
    assert names(await fleet.observe()) == ["default/s", "in-cluster:default/s"]
    assert [c for c in two.west.journal.calls("kubernetes") if "/leases" in c.path]


@pytest.mark.parametrize("at_home", [True, False])
async def test_in_cluster_outside_a_pod_is_a_mistake(two, at_home):
    settings = KubernetesSettings(kubeconfig=two.file, context="in-cluster" if at_home else None)
    with pytest.raises(Refused, match="it does not run in a pod"):
        await two.connect([None] if at_home else ["in-cluster"], settings=settings)


async def test_a_pod_without_a_named_kubeconfig_finds_the_others_in_the_environments(two):
    options = pod(two)
    options["environ"]["KUBECONFIG"] = str(two.file)
    fleet = await two.fleet(settings=KubernetesSettings(), **options)
    assert names(await fleet.observe()) == ["default/s", "west:default/s"]


async def test_a_kubeconfig_that_comes_later_is_used_then(two):
    two.file.unlink()
    options = pod(two)
    options["environ"]["KUBECONFIG"] = str(two.file)
    fleet = await two.fleet(settings=KubernetesSettings(), **options)
    assert f"there is no kubeconfig at {two.file}" in only_absent(await fleet.observe()).why
    two.save()
    await comes(fleet, "default/s", "west:default/s")


@pytest.mark.parametrize(("context", "own", "other"), [("west", "west", "home"), (None, "home", "west")])
async def test_the_context_of_the_home_cluster_may_be_a_targets_too(two, context, own, other):
    settings = KubernetesSettings(kubeconfig=two.file, context=context)
    clusters = await two.connect([None, "west", "home"], settings=settings)
    assert clusters.at(own) is clusters.at(None)
    assert clusters.at(other) is not clusters.at(None)


async def test_in_a_pod_in_cluster_is_home(two):
    clusters = await two.connect(["in-cluster"], settings=KubernetesSettings(), **pod(two))
    assert clusters.at("in-cluster") is clusters.at(None)


async def test_a_target_by_the_home_clusters_context_is_at_home(two):
    """If it does not answer, nothing goes on."""
    fleet = await two.fleet(away(context="home"), away(), contexts=["home", "west"])
    assert names(await fleet.observe()) == ["home:default/s", "west:default/s"]
    two.home.faults.add(server="kubernetes", path="/secrets/", action="status", status=500)
    with pytest.raises(Unavailable):
        await fleet.secrets()


async def test_homes_context_that_does_not_exist_is_refused_with_those_that_do(two):
    settings = KubernetesSettings(kubeconfig=two.file, context="nowhere")
    with pytest.raises(Refused, match=r'no context "nowhere" \(it has home, west\)'):
        await two.connect(settings=settings)
