"""Evictions and the budgets that forbid them: what both servers answer, and what both compute."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.cluster.api import Answer, path
from tests.cluster.contract.manifests import marked, workload
from tests.cluster.contract.test_rollouts import rolled_out
from tests.cluster.world import World

Json = dict[str, Any]
ANOTHER_UID = "00000000-0000-0000-0000-000000000000"


def budget(name: str = "b", **spec: object) -> Json:
    selector = {"matchLabels": {"app": "w"}}
    return {"kind": "PodDisruptionBudget", "metadata": {"name": name}, "spec": {"selector": selector} | spec}


async def evict(world: World, namespace: str, pod: str, **options: object) -> Answer:
    meta = {"name": pod, "namespace": namespace}
    body: Json = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta}
    if options:
        body["deleteOptions"] = options
    return await world.api.call("POST", path("Pod", namespace, pod, "eviction"), body)


async def running(world: World, kind: str = "StatefulSet", **spec: object) -> tuple[str, list[Json]]:
    """A namespace in which a workload runs, and its pods."""
    namespace = await world.namespace()
    await world.api.create(workload(kind, **spec), namespace)
    await world.until(kind, namespace, "w", lambda obj: rolled_out(kind, obj))
    return namespace, await world.api.list("Pod", namespace)


async def guard(world: World, namespace: str, **spec: object) -> Json:
    """Make a budget; its status as soon as it has been computed."""
    await world.api.create(budget(**spec), namespace)
    made = await world.until("PodDisruptionBudget", namespace, "b", lambda o: bool(conditions(o)))
    return dict(made["status"])


def conditions(obj: Json) -> list[Json]:
    found: list[Json] = (obj.get("status") or {}).get("conditions") or []
    return found


def timeless(status: Json) -> Json:
    """Without times, and with the pods' names for the pods' count."""
    cleaned = [{k: v for k, v in c.items() if k != "lastTransitionTime"} for c in status["conditions"]]
    return status | {"conditions": cleaned, "disruptedPods": len(status.get("disruptedPods") or {})}


async def replaced(world: World, namespace: str, pod: Json) -> Json:
    """The pod that took the place of this one, of the same name, when it is ready."""
    uid = pod["metadata"]["uid"]

    def ready(obj: Json) -> bool:
        found = {c["type"]: c["status"] for c in conditions(obj)}
        return bool(obj["metadata"]["uid"] != uid and found.get("Ready") == "True")

    return await world.until("Pod", namespace, pod["metadata"]["name"], ready)


async def test_a_pod_without_a_budget_is_evicted_and_replaced(world: World):
    namespace, (pod, _) = await running(world)
    answer = await evict(world, namespace, "w-0", preconditions={"uid": pod["metadata"]["uid"]})
    done = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
    assert (answer.status, answer.body) == (201, done)
    await replaced(world, namespace, pod)


async def test_an_evicted_pod_is_marked_and_gets_its_grace(world: World):
    namespace, (pod, _) = await running(world)
    async with world.api.watch(path("Pod", namespace)) as watch:
        await evict(world, namespace, "w-0")
        ending = await watch.until(lambda e: "deletionTimestamp" in e["object"]["metadata"])
    (mark,) = [c for c in conditions(ending["object"]) if c["type"] == "DisruptionTarget"]
    assert (mark["status"], mark["reason"]) == ("True", "EvictionByEvictionAPI")
    assert ending["object"]["metadata"]["deletionGracePeriodSeconds"] == 1
    assert ending["object"]["metadata"]["deletionTimestamp"] > mark["lastTransitionTime"]
    await replaced(world, namespace, pod)


@pytest.mark.parametrize(
    "wrong", [{"uid": ANOTHER_UID}, {"resourceVersion": "1"}], ids=["uid", "resourceVersion"]
)
async def test_an_eviction_of_another_pod_is_refused_alike(sandboxed: World, real: World, wrong: Json):
    answers = []
    for world in (sandboxed, real):
        namespace, (pod, _) = await running(world)
        answer = await evict(world, namespace, "w-0", preconditions=wrong)
        text = str(answer.body)
        for field in ("uid", "resourceVersion"):
            text = text.replace(pod["metadata"][field], field)
        answers.append((answer.status, text))
        (still, _) = await world.api.list("Pod", namespace)
        assert "deletionTimestamp" not in still["metadata"]
    assert answers[0] == answers[1]
    assert answers[0][0] == 409


async def test_a_precondition_that_holds_lets_the_pod_go(world: World):
    namespace, (pod, _) = await running(world)
    wanted = {field: pod["metadata"][field] for field in ("uid", "resourceVersion")}
    assert (await evict(world, namespace, "w-0", preconditions=wanted)).status == 201
    await replaced(world, namespace, pod)


async def test_what_is_not_there_cannot_be_evicted(sandboxed: World, real: World):
    answers = [await evict(world, await world.namespace(), "nobody") for world in (sandboxed, real)]
    assert answers[0] == answers[1]
    assert answers[0].status == 404


async def test_an_eviction_for_show_leaves_the_pod(world: World):
    namespace, (pod, _) = await running(world)
    assert (await evict(world, namespace, "w-0", dryRun=["All"])).status == 201
    (still, _) = await world.api.list("Pod", namespace)
    assert still["metadata"]["resourceVersion"] == pod["metadata"]["resourceVersion"]


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("Deployment", {"minAvailable": 2}),
        ("Deployment", {"minAvailable": "60%"}),
        ("Deployment", {"maxUnavailable": 0}),
        ("StatefulSet", {"minAvailable": 3}),
        ("DaemonSet", {"maxUnavailable": 1}),
        ("Deployment", {"minAvailable": 2, "unhealthyPodEvictionPolicy": "AlwaysAllow"}),
    ],
    ids=str,
)
async def test_a_budget_forbids_in_the_same_words(sandboxed: World, real: World, kind: str, spec: Json):
    seen = []
    for world in (sandboxed, real):
        namespace, pods = await running(world, kind)
        status = await guard(world, namespace, **spec)
        answer = await evict(world, namespace, pods[0]["metadata"]["name"])
        seen.append((answer, timeless(status) if kind != "DaemonSet" else status["disruptionsAllowed"]))
        await world.api.delete("PodDisruptionBudget", namespace, "b")
    assert seen[0] == seen[1]
    answer, _ = seen[1]
    assert answer.status == 429
    assert answer.body["reason"] == "TooManyRequests"
    assert [cause["reason"] for cause in answer.body["details"]["causes"]] == ["DisruptionBudget"]


@pytest.mark.parametrize(
    "spec",
    [{"minAvailable": 1}, {"maxUnavailable": 1}, {"maxUnavailable": "40%"}, {"minAvailable": "10%"}],
    ids=str,
)
async def test_a_budget_allows_as_many_as_it_says(sandboxed: World, real: World, spec: Json):
    statuses = []
    for world in (sandboxed, real):
        namespace, (pod, _) = await running(world)
        statuses.append(timeless(await guard(world, namespace, **spec)))
        answers = [await evict(world, namespace, name) for name in ("w-0", "w-1")]
        assert [a.status for a in answers] == [201, 429]
        await replaced(world, namespace, pod)
        await world.until(
            "PodDisruptionBudget", namespace, "b", lambda o: o["status"]["disruptionsAllowed"] == 1
        )
    assert statuses[0] == statuses[1]
    assert statuses[0]["disruptionsAllowed"] == 1


async def test_two_budgets_for_one_pod_are_an_error(sandboxed: World, real: World):
    answers = []
    for world in (sandboxed, real):
        namespace, _ = await running(world)
        await guard(world, namespace, minAvailable=1)
        await world.api.create(budget("c", minAvailable=1), namespace)
        answers.append(await evict(world, namespace, "w-0"))
    assert answers[0] == answers[1]
    assert answers[0].status == 500


@pytest.mark.parametrize(
    ("policy", "least", "status"),
    [
        (None, 1, 201),
        (None, 2, 429),
        ("IfHealthyBudget", 2, 429),
        ("AlwaysAllow", 2, 201),
    ],
)
async def test_a_pod_that_does_not_work_may_go_by_the_policy(
    world: World, policy: str | None, least: int, status: int
):
    """w-1 is not ready, w-0 is: one healthy pod."""
    namespace, _ = await running(world)
    await world.api.patch("StatefulSet", namespace, "w", marked("new", "never-ready"))
    await world.until("StatefulSet", namespace, "w", _stuck)
    spec = {"unhealthyPodEvictionPolicy": policy} if policy else {}
    assert (await guard(world, namespace, minAvailable=least, **spec))["currentHealthy"] == 1
    await world.until("Pod", namespace, "w-1", lambda p: p["status"].get("phase") == "Running")
    assert (await evict(world, namespace, "w-1")).status == status


def _stuck(obj: Json) -> bool:
    status = obj["status"]
    return bool(status.get("readyReplicas") == status.get("updatedReplicas") == 1)


async def test_a_stuck_ordered_set_stays_stuck_after_a_revert_until_its_pod_is_evicted(world: World):
    """Twice the time that a replacement takes goes by without one."""
    namespace, _ = await running(world)
    await world.api.patch("StatefulSet", namespace, "w", marked("new", "never-ready"))
    await world.until("StatefulSet", namespace, "w", _stuck)
    broken = await world.until("Pod", namespace, "w-1", lambda p: p["status"].get("phase") == "Running")
    reverted = await world.api.patch("StatefulSet", namespace, "w", marked(None))
    generation = reverted["metadata"]["generation"]
    await world.until(
        "StatefulSet", namespace, "w", lambda o: o["status"]["observedGeneration"] == generation
    )
    await asyncio.sleep(1)
    still = await world.api.get("Pod", namespace, "w-1")
    assert still["metadata"]["uid"] == broken["metadata"]["uid"]
    assert "deletionTimestamp" not in still["metadata"]

    assert (await evict(world, namespace, "w-1")).status == 201
    await replaced(world, namespace, broken)
    await world.until("StatefulSet", namespace, "w", lambda o: rolled_out("StatefulSet", o))


BAD = {
    "both limits": budget(minAvailable=1, maxUnavailable=1),
    "an unknown policy": budget(minAvailable=1, unhealthyPodEvictionPolicy="Never"),
}


@pytest.mark.parametrize("what", BAD)
async def test_both_refuse_a_bad_budget(sandboxed: World, real: World, what: str):
    """The causes are the same; the texts quote the spec, each in its own language."""
    seen = []
    for world in (sandboxed, real):
        namespace = await world.namespace()
        body = {"apiVersion": "policy/v1"} | BAD[what]
        answer = await world.api.call("POST", path("PodDisruptionBudget", namespace), body)
        causes = [(c["reason"], c["field"]) for c in answer.body["details"]["causes"]]
        seen.append((answer.status, answer.body["reason"], causes))
    assert seen[0] == seen[1]
    assert seen[0][0] == 422
