from __future__ import annotations

import pytest

from tests.cluster.api import JSON_PATCH, MERGE, STRATEGIC, path
from tests.cluster.contract.manifests import b64, secret, workload
from tests.cluster.world import World


async def test_a_merge_patch_sets_and_removes_what_it_names(world: World, namespace: str):
    await world.api.create(secret(a="one", b="two"), namespace)
    body = {"metadata": {"annotations": {"x": "1"}}, "data": {"a": b64("new"), "b": None}}
    patched = await world.api.patch("Secret", namespace, "s", body)
    assert patched["data"] == {"a": b64("new")}
    assert patched["metadata"]["annotations"] == {"x": "1"}


async def test_a_patch_that_changes_nothing_keeps_the_version(world: World, namespace: str):
    before = await world.api.create(secret(), namespace)
    after = await world.api.patch("Secret", namespace, "s", {"data": {"a": b64("one")}})
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


async def test_a_patch_with_an_old_version_conflicts_and_says_so(world: World, namespace: str):
    old = (await world.api.create(secret(), namespace))["metadata"]["resourceVersion"]
    await world.api.patch("Secret", namespace, "s", {"data": {"a": b64("two")}})
    body = {"metadata": {"resourceVersion": old}, "data": {"a": b64("three")}}
    answer = await world.api.call("PATCH", path("Secret", namespace, "s"), body, MERGE)
    assert answer.status == 409
    assert answer.body["reason"] == "Conflict"
    assert answer.body["details"] == {"name": "s", "kind": "secrets"}
    assert answer.body["message"] == (
        'Operation cannot be fulfilled on secrets "s": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )


async def test_a_patch_with_the_current_version_passes(world: World, namespace: str):
    now = (await world.api.create(secret(), namespace))["metadata"]["resourceVersion"]
    body = {"metadata": {"resourceVersion": now}, "data": {"a": b64("two")}}
    patched = await world.api.patch("Secret", namespace, "s", body)
    assert patched["data"]["a"] == b64("two")


async def test_a_strategic_patch_merges_containers_by_name(world: World, namespace: str):
    await world.api.create(workload("Deployment"), namespace)
    env = [{"name": "A", "value": "1"}]
    body = {"spec": {"template": {"spec": {"containers": [{"name": "main", "env": env}]}}}}
    patched = await world.api.patch("Deployment", namespace, "w", body, STRATEGIC)
    container = patched["spec"]["template"]["spec"]["containers"][0]
    assert (container["image"], container["env"]) == ("registry.invalid/main:1", env)


async def test_a_merge_patch_replaces_a_list(world: World, namespace: str):
    await world.api.create(workload("Deployment"), namespace)
    body = {"spec": {"template": {"spec": {"containers": [{"name": "main", "env": []}]}}}}
    answer = await world.api.call("PATCH", path("Deployment", namespace, "w"), body, MERGE)
    assert answer.status == 422  # the image is gone
    assert answer.body["details"]["causes"][0]["field"] == "spec.template.spec.containers[0].image"


async def test_a_json_patch_tests_and_replaces(world: World, namespace: str):
    await world.api.create(secret(), namespace)
    body = [
        {"op": "test", "path": "/data/a", "value": b64("one")},
        {"op": "replace", "path": "/data/a", "value": b64("two")},
    ]
    patched = await world.api.patch("Secret", namespace, "s", body, JSON_PATCH)
    assert patched["data"]["a"] == b64("two")


async def test_a_json_patch_whose_test_fails_is_rejected(world: World, namespace: str):
    await world.api.create(secret(), namespace)
    body = [{"op": "test", "path": "/data/a", "value": "other"}]
    answer = await world.api.call("PATCH", path("Secret", namespace, "s"), body, JSON_PATCH)
    assert (answer.status, answer.body["reason"]) == (422, "Invalid")


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
async def test_a_workloads_template_and_metadata_change_in_one_guarded_patch(
    world: World, namespace: str, kind: str
):
    """The daemon's restart: a note on the workload, the mark on its template, at the version seen."""
    made = await world.api.create(workload(kind, replicas=0), namespace)
    version, generation = made["metadata"]["resourceVersion"], made["metadata"]["generation"]
    body = {
        "metadata": {"resourceVersion": version, "annotations": {"apim-token-rotator/restarted-at": "t"}},
        "spec": {"template": {"metadata": {"annotations": {"apim-token-rotator/token": "m"}}}},
    }
    answer = await world.api.call("PATCH", path(kind, namespace, "w"), body, MERGE)
    while answer.status == 409:  # its controller has written its status in between, once or twice
        body["metadata"]["resourceVersion"] = (await world.api.get(kind, namespace, "w"))["metadata"][
            "resourceVersion"
        ]
        answer = await world.api.call("PATCH", path(kind, namespace, "w"), body, MERGE)
    assert answer.status == 200
    assert answer.body["metadata"]["generation"] == generation + 1
    assert answer.body["spec"]["template"]["metadata"]["annotations"] == {"apim-token-rotator/token": "m"}


@pytest.mark.parametrize(("kind", "more"), [("Deployment", 1), ("StatefulSet", 0), ("DaemonSet", 0)])
async def test_a_note_on_a_deployment_alone_is_a_new_generation(
    world: World, namespace: str, kind: str, more: int
):
    made = await world.api.create(workload(kind, replicas=0), namespace)
    patched = await world.api.patch(kind, namespace, "w", {"metadata": {"annotations": {"n": "1"}}})
    assert patched["metadata"]["generation"] == made["metadata"]["generation"] + more
