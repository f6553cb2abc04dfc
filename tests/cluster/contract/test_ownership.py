"""managedFields: who owns which field after some have written, as both servers keep it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster.api import MERGE, path
from tests.cluster.contract.manifests import MARK, b64, marked, secret, workload
from tests.cluster.world import World

Json = dict[str, Any]


async def write(world: World, kind: str, namespace: str, name: str, patch: Json, manager: str) -> Json:
    at = path(kind, namespace, name)
    answer = await world.api.call("PATCH", at, patch, MERGE, fieldManager=manager)
    assert answer.status == 200, answer
    return answer.body


async def make(world: World, manifest: Json, namespace: str, manager: str) -> None:
    version = "v1" if manifest["kind"] == "Secret" else "apps/v1"
    body = {"apiVersion": version} | manifest
    answer = await world.api.call("POST", path(manifest["kind"], namespace), body, fieldManager=manager)
    assert answer.status == 201, answer


def owners(obj: Json) -> dict[tuple[str, str], Json]:
    """Fields by manager and operation; what controllers write to the status is left out."""
    return {
        (entry["manager"], entry["operation"]): entry["fieldsV1"]
        for entry in obj["metadata"]["managedFields"]
        if not entry.get("subresource") and entry["manager"] != "kube-controller-manager"
    }


def value(text: str) -> Json:
    return {"data": {"a": b64(text)}}


def note(text: str | None, name: str = "n") -> Json:
    return {"metadata": {"annotations": {name: text}}}


HISTORIES: dict[str, tuple[Json, list[tuple[str, Json]]]] = {
    "only made": (secret(), []),
    "another writes the same value": (secret(), [("two", value("one"))]),
    "another writes another value": (secret(), [("two", value("two"))]),
    "and the first writes again": (secret(), [("two", value("two")), ("one", value("three"))]),
    "and a third": (secret(), [("two", value("two")), ("three", value("three"))]),
    "another adds a key": (secret(), [("two", {"data": {"b": b64("x")}})]),
    "another adds an annotation": (secret(), [("two", note("x"))]),
    "two annotations of two": (secret(), [("two", note("x")), ("three", note("y", "m"))]),
    "an annotation changes hands": (secret(), [("two", note("x")), ("three", note("y"))]),
    "an annotation is removed": (secret(), [("two", note("x")), ("three", note(None))]),
    "value and annotation at once": (secret(), [("two", value("x") | note("x"))]),
    "a mark on a deployment": (workload("Deployment", replicas=0), [("two", marked("x"))]),
    "a mark changes hands": (
        workload("Deployment", replicas=0),
        [("two", marked("x")), ("three", marked("y"))],
    ),
    "a mark is taken off": (
        workload("Deployment", replicas=0),
        [("two", marked("x")), ("three", marked(None))],
    ),
    "a mark on a stateful set": (workload("StatefulSet", replicas=0), [("two", marked("x"))]),
    "replicas change hands": (
        workload("Deployment", replicas=0),
        [("two", {"spec": {"minReadySeconds": 1}}), ("three", {"spec": {"minReadySeconds": 2}})],
    ),
}


@pytest.mark.parametrize("what", HISTORIES)
async def test_both_name_the_same_owners(sandboxed: World, real: World, what: str):
    made, writes = HISTORIES[what]
    seen = []
    for world in (sandboxed, real):
        namespace = await world.namespace()
        await make(world, made, namespace, "one")
        for manager, patch in writes:
            await write(world, made["kind"], namespace, made["metadata"]["name"], patch, manager)
        now = await world.api.get(made["kind"], namespace, made["metadata"]["name"])
        seen.append(owners(now))
    assert seen[0] == seen[1]


async def test_the_mark_of_a_daemon_set_is_its_writers(world: World, namespace: str):
    """Only that: a real server adds an annotation of its own, deprecated since 2017."""
    await make(world, workload("DaemonSet"), namespace, "one")
    after = await write(world, "DaemonSet", namespace, "w", marked("x"), "two")
    notes = {".": {}, f"f:{MARK}": {}}
    assert owners(after)["two", "Update"] == {
        "f:spec": {"f:template": {"f:metadata": {"f:annotations": notes}}}
    }


async def test_the_last_writer_of_a_value_owns_it(world: World, namespace: str):
    await make(world, secret(), namespace, "one")
    after = await write(world, "Secret", namespace, "s", value("two"), "two")
    found = owners(after)
    assert "f:a" in found["two", "Update"]["f:data"]
    assert "f:a" not in found["one", "Update"]["f:data"]


async def test_a_writer_without_a_field_manager_gets_the_name_of_its_client(world: World, namespace: str):
    await world.api.create(secret(), namespace)
    (entry,) = (await world.api.get("Secret", namespace, "s"))["metadata"]["managedFields"]
    assert (entry["manager"], entry["operation"], entry["apiVersion"]) == ("Python", "Update", "v1")


async def test_who_writes_without_managed_fields_takes_none_away(world: World, namespace: str):
    await make(world, secret(), namespace, "one")
    bare = await world.api.get("Secret", namespace, "s")
    before = bare["metadata"].pop("managedFields")
    answer = await world.api.call("PUT", path("Secret", namespace, "s"), bare, fieldManager="two")
    assert answer.body["metadata"]["managedFields"] == before
