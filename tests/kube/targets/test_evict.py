"""Single pods are replaced as budgets allow: exactly those that were seen, by the sandbox's Eviction API."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from rotator.config import KubernetesSettings
from rotator.errors import Conflict, Refused, Unavailable
from rotator.kube import Connection, KubeEvictor
from sandbox.cluster.pod_faults import FAULT
from sandbox.world import Sandbox
from tests.kube.scene import deployment, in_days, only_target, only_workload, running, secret, target_store
from tests.kube.targets.test_rollouts import ROLLING, roll
from tests.kube.two_clusters import open_two_clusters

__all__ = ["roll"]
MARK = "0123456789ab"


async def observation(scene):
    """Return the target and its pods, as of now."""
    target = only_target(await scene.store.observe())
    return target, target.workloads[0].pods


def evictor(scene):
    return KubeEvictor(scene.store)


async def budget(sandbox, least: int, name: str = "guard") -> None:
    """Have so many pods of app gw needed, and wait until that counts."""
    selector = {"matchLabels": {"app": "gw"}}
    meta, spec = {"name": name, "namespace": "default"}, {"minAvailable": least, "selector": selector}
    sandbox.cluster.apply(
        {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta, "spec": spec}
    )

    def counted(cluster):
        status = cluster.get("PodDisruptionBudget", "default", name).get("status") or {}
        return status.get("currentHealthy") is not None and status.get("observedGeneration")

    await sandbox.cluster.wait_for(counted)


def calls(sandbox):
    return [call.method for call in sandbox.journal.calls("kubernetes") if call.method in {"POST", "DELETE"}]


async def test_an_evicted_pod_is_replaced_and_only_that_one(scene):
    target, pods = await observation(scene)
    await evictor(scene).evict(target, pods[0])
    await scene.sandbox.cluster.wait_for(lambda cluster: not cluster.get("Pod", "default", pods[0].name))
    assert scene.sandbox.cluster.get("Pod", "default", pods[1].name)


async def test_a_pod_on_its_way_out_is_not_evicted_again(tmp_path):
    async with (
        Sandbox(tmp_path, ready_delay=0.01, term_delay=60) as sandbox,
        connected(sandbox) as connection,
    ):
        sandbox.cluster.apply(secret(sandbox.azure.add_gateway("gw1").mint("primary", in_days(9))))
        await running(sandbox, deployment())
        store = target_store(connection)
        name = only_workload(await store.observe()).pods[0].name
        for _ in range(3):
            target = only_target(await store.observe())
            (pod,) = [each for each in target.workloads[0].pods if each.name == name]
            await KubeEvictor(store).evict(target, pod)
        assert calls(sandbox) == ["POST"]


@asynccontextmanager
async def connected(sandbox):
    connection = await Connection.connect(
        KubernetesSettings(kubeconfig=sandbox.kubeconfig), "tests", environ={}
    )
    try:
        yield connection
    finally:
        await connection.close()


async def test_a_pod_that_is_gone_is_no_error(scene):
    target, pods = await observation(scene)
    scene.sandbox.cluster.delete("Pod", "default", pods[0].name)
    await scene.sandbox.cluster.wait_for(lambda cluster: not cluster.get("Pod", "default", pods[0].name))
    await evictor(scene).evict(target, pods[0])


async def test_another_pod_of_the_same_name_is_not_evicted(scene, roll):
    """A StatefulSet gives a new pod the old one's name."""
    roller = await roll("StatefulSet", updateStrategy=ROLLING)
    target = only_target(roller.seen)
    old = target.workloads[0].pods[0]
    uid = scene.sandbox.cluster.get("Pod", "default", old.name)["metadata"]["uid"]
    scene.sandbox.cluster.delete("Pod", "default", old.name)
    await scene.sandbox.cluster.wait_for(
        lambda cluster: (
            (cluster.get("Pod", "default", old.name) or {"metadata": {"uid": uid}})["metadata"]["uid"] != uid
        )
    )
    new = scene.sandbox.cluster.get("Pod", "default", old.name)["metadata"]["uid"]
    with pytest.raises(Conflict):
        await KubeEvictor(roller.store).evict(target, old)
    assert scene.sandbox.cluster.get("Pod", "default", old.name)["metadata"]["uid"] == new
    assert "deletionTimestamp" not in scene.sandbox.cluster.get("Pod", "default", old.name)["metadata"]


async def test_a_pod_that_differs_in_the_last_observation_is_a_conflict(scene):
    target, pods = await observation(scene)
    with pytest.raises(Conflict, match="not as it was"):
        await evictor(scene).evict(target, replace(pods[0], instance="another"))
    with pytest.raises(Conflict):
        await evictor(scene).evict(target, replace(pods[0], works=not pods[0].works))


async def test_a_budget_keeps_a_pod_that_works(scene):
    await budget(scene.sandbox, least=2)
    target, pods = await observation(scene)
    with pytest.raises(Unavailable) as withheld:
        await evictor(scene).evict(target, pods[0])
    for part in (f"pod {pods[0].name} of default/s cannot be evicted now", "budget guard needs 2 healthy"):
        assert part in str(withheld.value)
    assert withheld.value.retry_after == timedelta(seconds=30)
    assert "DELETE" not in calls(scene.sandbox)


async def test_a_budget_that_says_how_long_is_believed(scene):
    target, pods = await observation(scene)
    body = (
        '{"kind": "Status", "code": 429, "message": "no", "details": {"causes": [{"reason": '
        '"DisruptionBudget", "message": "The disruption budget guard is still being processed"}]}}'
    )
    scene.sandbox.faults.add(
        server="kubernetes", path="/eviction", action="status", status=429, retry_after=10, body=body
    )
    with pytest.raises(Unavailable, match="still being processed") as withheld:
        await evictor(scene).evict(target, pods[0])
    assert withheld.value.retry_after == timedelta(seconds=10)


async def test_a_busy_server_is_not_a_budget(scene, roll):
    """Who answers 429 for another reason has not been asked about budgets: nothing is deleted."""
    roller, target, pod = await stuck(scene, roll)
    scene.sandbox.faults.add(server="kubernetes", path="/eviction", action="status", status=429, times=None)
    with pytest.raises(Unavailable):
        await KubeEvictor(roller.store).evict(target, pod)
    assert "DELETE" not in calls(scene.sandbox)


@pytest.mark.parametrize("resource", ["pods/eviction", "pods"])
async def test_a_right_that_is_missing_is_named(scene, roll, resource):
    roller, target, pod = await stuck(scene, roll)
    await budget(scene.sandbox, least=2)
    verb = "create" if resource == "pods/eviction" else "delete"
    scene.sandbox.cluster.deny(verb, resource)
    rule = rf'apiGroups \[""\], resources \["{resource}"\], verbs \["{verb}"\] in a Role in namespace default'
    with pytest.raises(Refused, match=rule):
        await KubeEvictor(roller.store).evict(target, pod)


async def stuck(scene, roll):
    """Roll an ordered StatefulSet over to pods that never get ready; return what waits for what."""
    roller = await roll("StatefulSet", updateStrategy=ROLLING)
    sick = {"spec": {"template": {"metadata": {"annotations": {FAULT: "never-ready"}}}}}
    scene.sandbox.cluster.patch("StatefulSet", "default", "gw", sick)
    found = await roller.until(
        lambda workload: (
            any(not each.works for each in workload.pods) and "deletionTimestamp" not in str(workload)
        )
    )
    await scene.sandbox.cluster.wait_for(
        lambda cluster: all(runs(each) for each in cluster.list("Pod", "default"))
    )
    found = await roller.look()
    (broken,) = [each for each in found.pods if not each.works]
    return roller, only_target(roller.seen), broken


def runs(pod) -> bool:
    states = (pod.get("status") or {}).get("containerStatuses") or []
    return "deletionTimestamp" not in pod["metadata"] and bool(states) and "running" in states[0]["state"]


async def test_an_ordered_stateful_set_that_is_stuck_is_freed_in_spite_of_its_budget(scene, roll):
    """Correcting the template does not help: its controller waits for the pod that never gets ready."""
    roller, _, broken = await stuck(scene, roll)
    await budget(scene.sandbox, least=2)
    corrected = {"spec": {"template": {"metadata": {"annotations": {FAULT: None}}}}}
    scene.sandbox.cluster.patch("StatefulSet", "default", "gw", corrected)
    await roller.restart(MARK)
    waiting = await roller.until(
        lambda workload: (
            (workload.template_token == MARK and "0 of 2 pods are new" in workload.note)
            or not workload.complete
        )
    )
    assert waiting.ordered
    assert broken in waiting.pods
    await KubeEvictor(roller.store).evict(only_target(roller.seen), broken)
    healed = await roller.until(lambda workload: workload.healthy)
    assert {each.pod_token for each in healed.pods} == {MARK}
    assert calls(scene.sandbox)[-2:] == ["POST", "DELETE"]


async def test_a_pod_that_came_up_meanwhile_is_not_deleted(scene, roll):
    """The budget says no, and then the pod is no longer as it was seen."""
    roller, target, broken = await stuck(scene, roll)
    await budget(scene.sandbox, least=2)
    scene.sandbox.cluster.patch("Pod", "default", broken.name, {"metadata": {"labels": {"a": "b"}}})
    with pytest.raises(Conflict):
        await KubeEvictor(roller.store).evict(target, broken)
    assert "deletionTimestamp" not in scene.sandbox.cluster.get("Pod", "default", broken.name)["metadata"]


async def test_a_pod_of_two_budgets_is_withheld_as_well(scene):
    await budget(scene.sandbox, least=1)
    await budget(scene.sandbox, least=1, name="another")
    target, pods = await observation(scene)
    with pytest.raises(Unavailable, match="more than one PodDisruptionBudget"):
        await evictor(scene).evict(target, pods[0])


async def test_pods_are_evicted_in_their_own_cluster(tmp_path):
    async with open_two_clusters(tmp_path) as two_clusters:
        store = await two_clusters.store()
        west = (await store.observe()).targets[1]
        pod = west.workloads[0].pods[0]
        await KubeEvictor(store).evict(west, pod)
        await two_clusters.west.cluster.wait_for(lambda cluster: not cluster.get("Pod", "default", pod.name))
        assert "POST" not in calls(two_clusters.home)


async def test_a_budget_does_not_make_a_cluster_count_as_unreachable(tmp_path):
    async with open_two_clusters(tmp_path) as two_clusters:
        store = await two_clusters.store()
        await budget(two_clusters.west, least=2)
        west = (await store.observe()).targets[1]
        with pytest.raises(Unavailable):
            await KubeEvictor(store).evict(west, west.workloads[0].pods[0])
        assert (await store.observe()).unreachable == ()
