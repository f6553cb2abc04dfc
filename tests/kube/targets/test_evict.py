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
from tests.kube.fleets import deployment, fleet_of, in_days, only, running, secret, workload
from tests.kube.targets.test_rollouts import ROLLING, roll
from tests.kube.two import two_clusters

__all__ = ["roll"]
MARK = "0123456789ab"


async def seen(scene):
    """Return the target and its pods, as of now."""
    target = only(await scene.fleet.observe())
    return target, target.workloads[0].pods


def evictor(scene):
    return KubeEvictor(scene.fleet)


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
    target, pods = await seen(scene)
    await evictor(scene).evict(target, pods[0])
    await scene.sandbox.cluster.wait_for(lambda c: not c.get("Pod", "default", pods[0].name))
    assert scene.sandbox.cluster.get("Pod", "default", pods[1].name)


async def test_a_pod_on_its_way_out_is_not_evicted_again(tmp_path):
    async with (
        Sandbox(tmp_path, ready_delay=0.01, term_delay=60) as sandbox,
        connected(sandbox) as connection,
    ):
        sandbox.cluster.apply(secret(sandbox.azure.add_gateway("gw1").mint("primary", in_days(9))))
        await running(sandbox, deployment())
        fleet = fleet_of(connection)
        name = workload(await fleet.observe()).pods[0].name
        for _ in range(3):
            target = only(await fleet.observe())
            (pod,) = [p for p in target.workloads[0].pods if p.name == name]
            await KubeEvictor(fleet).evict(target, pod)
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
    target, pods = await seen(scene)
    scene.sandbox.cluster.delete("Pod", "default", pods[0].name)
    await scene.sandbox.cluster.wait_for(lambda c: not c.get("Pod", "default", pods[0].name))
    await evictor(scene).evict(target, pods[0])


async def test_another_pod_of_the_same_name_is_left_alone(scene, roll):
    """A StatefulSet gives a new pod the old one's name."""
    roller = await roll("StatefulSet", updateStrategy=ROLLING)
    target = only(roller.seen)
    old = target.workloads[0].pods[0]
    uid = scene.sandbox.cluster.get("Pod", "default", old.name)["metadata"]["uid"]
    scene.sandbox.cluster.delete("Pod", "default", old.name)
    await scene.sandbox.cluster.wait_for(
        lambda c: (c.get("Pod", "default", old.name) or {"metadata": {"uid": uid}})["metadata"]["uid"] != uid
    )
    new = scene.sandbox.cluster.get("Pod", "default", old.name)["metadata"]["uid"]
    with pytest.raises(Conflict):
        await KubeEvictor(roller.fleet).evict(target, old)
    assert scene.sandbox.cluster.get("Pod", "default", old.name)["metadata"]["uid"] == new
    assert "deletionTimestamp" not in scene.sandbox.cluster.get("Pod", "default", old.name)["metadata"]


async def test_a_pod_that_was_looked_at_again_and_is_another_is_a_conflict(scene):
    target, pods = await seen(scene)
    with pytest.raises(Conflict, match="not as it was"):
        await evictor(scene).evict(target, replace(pods[0], instance="another"))
    with pytest.raises(Conflict):
        await evictor(scene).evict(target, replace(pods[0], works=not pods[0].works))


async def test_a_budget_keeps_a_pod_that_works(scene):
    await budget(scene.sandbox, least=2)
    target, pods = await seen(scene)
    with pytest.raises(Unavailable) as withheld:
        await evictor(scene).evict(target, pods[0])
    for part in (f"pod {pods[0].name} of default/s may not be evicted now", "budget guard needs 2 healthy"):
        assert part in str(withheld.value)
    assert withheld.value.retry_after == timedelta(seconds=30)
    assert "DELETE" not in calls(scene.sandbox)


async def test_a_budget_that_says_how_long_is_believed(scene):
    target, pods = await seen(scene)
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
        await KubeEvictor(roller.fleet).evict(target, pod)
    assert "DELETE" not in calls(scene.sandbox)


@pytest.mark.parametrize("resource", ["pods/eviction", "pods"])
async def test_a_right_that_is_missing_is_named(scene, roll, resource):
    roller, target, pod = await stuck(scene, roll)
    await budget(scene.sandbox, least=2)
    verb = "create" if resource == "pods/eviction" else "delete"
    scene.sandbox.cluster.deny(verb, resource)
    rule = rf'apiGroups \[""\], resources \["{resource}"\], verbs \["{verb}"\] in a Role in namespace default'
    with pytest.raises(Refused, match=rule):
        await KubeEvictor(roller.fleet).evict(target, pod)


async def stuck(scene, roll):
    """Roll an ordered StatefulSet over to pods that never get ready; return what waits for what."""
    roller = await roll("StatefulSet", updateStrategy=ROLLING)
    sick = {"spec": {"template": {"metadata": {"annotations": {FAULT: "never-ready"}}}}}
    scene.sandbox.cluster.patch("StatefulSet", "default", "gw", sick)
    found = await roller.until(
        lambda w: any(not p.works for p in w.pods) and "deletionTimestamp" not in str(w)
    )
    await scene.sandbox.cluster.wait_for(lambda c: all(runs(p) for p in c.list("Pod", "default")))
    found = await roller.look()
    (broken,) = [p for p in found.pods if not p.works]
    return roller, only(roller.seen), broken


def runs(pod) -> bool:
    states = (pod.get("status") or {}).get("containerStatuses") or []
    return "deletionTimestamp" not in pod["metadata"] and bool(states) and "running" in states[0]["state"]


async def test_an_ordered_stateful_set_that_is_stuck_is_freed_in_spite_of_its_budget(scene, roll):
    """Mending the template does not help: its controller waits for the pod that never gets ready."""
    roller, _, broken = await stuck(scene, roll)
    await budget(scene.sandbox, least=2)
    mended = {"spec": {"template": {"metadata": {"annotations": {FAULT: None}}}}}
    scene.sandbox.cluster.patch("StatefulSet", "default", "gw", mended)
    await roller.restart(MARK)
    waiting = await roller.until(
        lambda w: (w.template_token == MARK and "0 of 2 pods are new" in w.note) or not w.complete
    )
    assert waiting.ordered
    assert broken in waiting.pods
    await KubeEvictor(roller.fleet).evict(only(roller.seen), broken)
    healed = await roller.until(lambda w: w.healthy)
    assert {p.pod_token for p in healed.pods} == {MARK}
    assert calls(scene.sandbox)[-2:] == ["POST", "DELETE"]


async def test_a_pod_that_came_up_meanwhile_is_not_deleted(scene, roll):
    """The budget says no, and then the pod is no longer as it was seen."""
    roller, target, broken = await stuck(scene, roll)
    await budget(scene.sandbox, least=2)
    scene.sandbox.cluster.patch("Pod", "default", broken.name, {"metadata": {"labels": {"a": "b"}}})
    with pytest.raises(Conflict):
        await KubeEvictor(roller.fleet).evict(target, broken)
    assert "deletionTimestamp" not in scene.sandbox.cluster.get("Pod", "default", broken.name)["metadata"]


async def test_a_pod_of_two_budgets_is_withheld_as_well(scene):
    await budget(scene.sandbox, least=1)
    await budget(scene.sandbox, least=1, name="another")
    target, pods = await seen(scene)
    with pytest.raises(Unavailable, match="more than one PodDisruptionBudget"):
        await evictor(scene).evict(target, pods[0])


async def test_pods_are_evicted_in_their_own_cluster(tmp_path):
    async with two_clusters(tmp_path) as two:
        fleet = await two.fleet()
        west = (await fleet.observe()).targets[1]
        pod = west.workloads[0].pods[0]
        await KubeEvictor(fleet).evict(west, pod)
        await two.west.cluster.wait_for(lambda c: not c.get("Pod", "default", pod.name))
        assert "POST" not in calls(two.home)


async def test_a_budget_does_not_make_a_cluster_count_as_away(tmp_path):
    async with two_clusters(tmp_path) as two:
        fleet = await two.fleet()
        await budget(two.west, least=2)
        west = (await fleet.observe()).targets[1]
        with pytest.raises(Unavailable):
            await KubeEvictor(fleet).evict(west, west.workloads[0].pods[0])
        assert (await fleet.observe()).unreachable == ()
