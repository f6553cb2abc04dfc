"""How workloads roll, and what their status says meanwhile: the facts that our rollout rules read."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sandbox.cluster.objects import condition, is_ready
from tests.cluster.api import path
from tests.cluster.contract.manifests import MARK, marked, workload
from tests.cluster.world import World

Json = dict[str, Any]
KINDS = ("Deployment", "StatefulSet", "DaemonSet")
READY = {"Deployment": "availableReplicas", "StatefulSet": "readyReplicas", "DaemonSet": "numberReady"}
UPDATED = {
    "Deployment": "updatedReplicas",
    "StatefulSet": "updatedReplicas",
    "DaemonSet": "updatedNumberScheduled",
}


def rolled_out(kind: str, obj: Json) -> bool:
    """All pods are of the newest template and ready, and the controller has seen it."""
    status, generation = obj.get("status") or {}, obj["metadata"]["generation"]
    if status.get("observedGeneration") != generation:
        return False
    wanted = status.get("desiredNumberScheduled", 0) if kind == "DaemonSet" else obj["spec"]["replicas"]
    if kind == "DaemonSet" and not wanted:
        return False
    old = status.get("replicas", wanted) - status.get("updatedReplicas", wanted)
    return status.get(READY[kind], 0) == status.get(UPDATED[kind], 0) == wanted and old == 0


async def running(world: World, namespace: str, kind: str, **spec: object) -> Json:
    await world.api.create(workload(kind, **spec), namespace)
    return await world.until(kind, namespace, "w", lambda obj: rolled_out(kind, obj))


async def roll(world: World, namespace: str, kind: str, mark: str | None) -> Json:
    await world.api.patch(kind, namespace, "w", marked(mark))
    return await world.until(kind, namespace, "w", lambda obj: rolled_out(kind, obj))


async def marks(world: World, namespace: str) -> list[str | None]:
    """The marks of the pods that are there to stay."""
    pods = await world.api.list("Pod", namespace)
    living = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    return [(pod["metadata"].get("annotations") or {}).get(MARK) for pod in living]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_new_mark_replaces_every_pod(world: World, namespace: str, kind: str):
    before = await running(world, namespace, kind)
    after = await roll(world, namespace, kind, "new")
    assert after["metadata"]["generation"] == before["metadata"]["generation"] + 1
    assert set(await marks(world, namespace)) == {"new"}


@pytest.mark.parametrize("kind", KINDS)
async def test_the_same_mark_again_is_no_rollout(world: World, namespace: str, kind: str):
    await running(world, namespace, kind)
    rolled = await roll(world, namespace, kind, "new")
    again = await world.api.patch(kind, namespace, "w", marked("new"))
    assert again["metadata"]["generation"] == rolled["metadata"]["generation"]


@pytest.mark.parametrize("kind", KINDS)
async def test_the_fields_of_a_finished_rollout_are_the_same(sandboxed: World, real: World, kind: str):
    """Names of all status fields, and all values that are no times, names or node counts."""
    ours, theirs = [await _finished(world, kind) for world in (sandboxed, real)]
    assert ours == theirs


async def _finished(world: World, kind: str) -> Json:
    namespace = await world.namespace()
    await running(world, namespace, kind)
    await roll(world, namespace, kind, "new")
    done = await world.until(kind, namespace, "w", lambda obj: _quiet(kind, obj))
    status = dict(done["status"])
    seen = {c["type"]: (c["status"], c.get("reason")) for c in status.pop("conditions", [])}
    nodes = status.get("desiredNumberScheduled")
    numbers = {key: value == nodes if nodes and value else value for key, value in status.items()}
    for revision in ("currentRevision", "updateRevision"):
        if revision in numbers:
            numbers[revision] = status["currentRevision"] == status["updateRevision"]
    return {"status": numbers, "conditions": seen}


def _quiet(kind: str, obj: Json) -> bool:
    """Old pods are gone, too."""
    if not rolled_out(kind, obj):
        return False
    status = obj["status"]
    if kind == "Deployment":
        return not status.get("terminatingReplicas")
    return kind != "StatefulSet" or status.get("currentRevision") == status.get("updateRevision")


async def test_a_deployment_that_never_gets_ready_exceeds_its_deadline(world: World, namespace: str):
    await running(world, namespace, "Deployment", progressDeadlineSeconds=2)
    await world.api.patch("Deployment", namespace, "w", marked("new", "never-ready"))
    failed = await world.until(
        "Deployment",
        namespace,
        "w",
        lambda obj: (condition(obj, "Progressing") or {}).get("reason") == "ProgressDeadlineExceeded",
    )
    progressing = condition(failed, "Progressing")
    assert progressing["status"] == "False"
    assert progressing["message"].endswith("has timed out progressing.")
    assert failed["status"]["updatedReplicas"] == 1
    assert failed["status"]["availableReplicas"] == 2  # the old pods serve on


async def test_reverting_a_deployment_uses_the_old_replica_set_again(world: World, namespace: str):
    await running(world, namespace, "Deployment")
    (first,) = await world.api.list("ReplicaSet", namespace)
    await roll(world, namespace, "Deployment", "new")
    await roll(world, namespace, "Deployment", None)
    sets = await world.api.list("ReplicaSet", namespace)
    assert len(sets) == 2
    again = next(s for s in sets if s["metadata"]["uid"] == first["metadata"]["uid"])
    assert again["spec"]["replicas"] == 2
    assert again["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"


async def test_reverting_a_stuck_deployment_starts_no_pod(world: World, namespace: str):
    await running(world, namespace, "Deployment")
    before = {pod["metadata"]["uid"] for pod in await world.api.list("Pod", namespace)}
    await world.api.patch("Deployment", namespace, "w", marked("new", "never-ready"))
    await world.until("Deployment", namespace, "w", lambda o: o["status"].get("unavailableReplicas") == 1)
    await world.api.patch("Deployment", namespace, "w", marked(None))
    await world.until("Deployment", namespace, "w", lambda o: _quiet("Deployment", o))
    pods = await world.api.list("Pod", namespace)
    living = {p["metadata"]["uid"] for p in pods if "deletionTimestamp" not in p["metadata"]}
    assert living == before


async def test_a_stuck_stateful_set_stops_at_its_last_pod(world: World, namespace: str):
    await running(world, namespace, "StatefulSet")
    await world.api.patch("StatefulSet", namespace, "w", marked("new", "never-ready"))
    stuck = await world.until("StatefulSet", namespace, "w", lambda o: o["status"].get("readyReplicas") == 1)
    stuck = await world.until(
        "StatefulSet", namespace, "w", lambda o: o["status"].get("updatedReplicas") == 1
    )
    assert stuck["status"]["currentRevision"] != stuck["status"]["updateRevision"]
    assert sorted(await marks(world, namespace), key=str) == [None, "new"]


async def test_a_pod_in_a_crash_loop_says_so(world: World, namespace: str):
    await running(world, namespace, "Deployment", replicas=1)
    await world.api.patch("Deployment", namespace, "w", marked("new", "crash-loop"))
    pod = await _pod_waiting(world, namespace, "CrashLoopBackOff")
    (container,) = pod["status"]["containerStatuses"]
    assert container["restartCount"] >= 1
    assert container["lastState"]["terminated"]["exitCode"] == 1
    assert not is_ready(pod)


async def _pod_waiting(world: World, namespace: str, reason: str) -> Json:
    def waits(event: Json) -> bool:
        states = event["object"].get("status", {}).get("containerStatuses") or []
        return any((s["state"].get("waiting") or {}).get("reason") == reason for s in states)

    async with world.api.watch(path("Pod", namespace)) as watch:
        return (await watch.until(waits))["object"]


async def test_a_deleted_workload_takes_its_pods_along(world: World, namespace: str):
    await running(world, namespace, "Deployment")
    await world.api.delete("Deployment", namespace, "w")
    async with asyncio.timeout(30):
        async with world.api.watch(path("Pod", namespace)) as watch:
            while await world.api.list("Pod", namespace):
                await watch.next()
    assert await world.api.list("ReplicaSet", namespace) == []
