import base64

import pytest

from tests.sandbox.cluster.conftest import deployment, marked

SECRETS = "/api/v1/namespaces/default/secrets"
CONFIGMAPS = "/api/v1/namespaces/default/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"


def named(name, **rest):
    return {"metadata": {"name": name}, **rest}


async def test_a_created_object_can_be_read_with_what_the_server_filled_in(api):
    created = await api("POST", SECRETS, named("s1", stringData={"k": "v"}))

    assert created.status == 201
    assert created.body["data"] == {"k": base64.b64encode(b"v").decode()}
    assert created.body["type"] == "Opaque"
    assert "stringData" not in created.body
    assert {"uid", "creationTimestamp", "resourceVersion"} <= created.body["metadata"].keys()
    assert (await api("GET", f"{SECRETS}/s1")).body == created.body


async def test_creating_twice_is_already_exists(api):
    await api("POST", SECRETS, named("s1"))

    again = await api("POST", SECRETS, named("s1"))

    assert (again.status, again.body["reason"]) == (409, "AlreadyExists")
    assert again.body["message"] == 'secrets "s1" already exists'
    assert again.body["details"] == {"name": "s1", "kind": "secrets"}


async def test_a_name_can_be_generated(api):
    first = await api("POST", SECRETS, {"metadata": {"generateName": "s-"}})
    second = await api("POST", SECRETS, {"metadata": {"generateName": "s-"}})

    assert first.body["metadata"]["name"].startswith("s-")
    assert first.body["metadata"]["name"] != second.body["metadata"]["name"]


async def test_an_absent_object_is_not_found(api):
    missing = await api("GET", f"{DEPLOYMENTS}/d1")

    assert (missing.status, missing.body["kind"], missing.body["code"]) == (404, "Status", 404)
    assert missing.body["message"] == 'deployments.apps "d1" not found'
    assert missing.body["details"] == {"name": "d1", "group": "apps", "kind": "deployments"}
    assert (await api.merge(f"{SECRETS}/s1", {})).status == 404
    assert (await api("DELETE", f"{SECRETS}/s1")).status == 404
    assert (await api("POST", "/api/v1/namespaces/nowhere/secrets", named("s1"))).body["message"] == (
        'namespaces "nowhere" not found'
    )
    assert (await api("GET", "/apis/nothing/v1/things")).status == 404


async def test_a_stale_put_is_a_conflict_and_a_fresh_one_is_not(api):
    created = (await api("POST", CONFIGMAPS, named("c1", data={"a": "1"}))).body
    changed = await api("PUT", f"{CONFIGMAPS}/c1", created | {"data": {"a": "2"}})

    stale = await api("PUT", f"{CONFIGMAPS}/c1", created | {"data": {"a": "3"}})

    assert changed.status == 200
    assert (stale.status, stale.body["reason"]) == (409, "Conflict")
    assert (await api("GET", f"{CONFIGMAPS}/c1")).body["data"] == {"a": "2"}


@pytest.mark.parametrize("media", ["application/merge-patch+json", "application/strategic-merge-patch+json"])
async def test_a_patch_with_a_stale_resource_version_is_a_conflict(api, media):
    created = (await api("POST", SECRETS, named("s1"))).body
    guard = {"metadata": {"resourceVersion": created["metadata"]["resourceVersion"]}}
    first = await api("PATCH", f"{SECRETS}/s1", guard | {"stringData": {"k": "1"}}, media)

    second = await api("PATCH", f"{SECRETS}/s1", guard | {"stringData": {"k": "2"}}, media)

    assert first.status == 200
    assert (second.status, second.body["reason"], second.body["code"]) == (409, "Conflict", 409)
    assert second.body["message"] == (
        'Operation cannot be fulfilled on secrets "s1": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    assert second.body["details"] == {"name": "s1", "kind": "secrets"}


async def test_a_patch_of_another_uid_is_invalid_and_a_put_a_conflict(api):
    created = (await api("POST", CONFIGMAPS, named("c1"))).body

    patched = await api.merge(f"{CONFIGMAPS}/c1", {"metadata": {"uid": "other"}, "data": {"a": "1"}})
    put = await api("PUT", f"{CONFIGMAPS}/c1", {"metadata": {"name": "c1", "uid": "other"}})

    assert (patched.status, patched.body["reason"]) == (422, "Invalid")
    assert (put.status, put.body["reason"]) == (409, "Conflict")
    assert (await api("GET", f"{CONFIGMAPS}/c1")).body == created


async def test_a_patch_that_changes_nothing_keeps_the_resource_version(api):
    created = (await api("POST", DEPLOYMENTS, deployment("d1"))).body
    version = (await api.merge(f"{DEPLOYMENTS}/d1", marked("2"))).body["metadata"]["generation"]

    same = (await api.merge(f"{DEPLOYMENTS}/d1", marked("2"))).body

    assert (created["metadata"]["generation"], version, same["metadata"]["generation"]) == (1, 2, 2)


async def test_an_unchanged_secret_keeps_its_resource_version(api):
    created = (await api("POST", SECRETS, named("s1", stringData={"k": "v"}))).body

    same = (
        await api.merge(f"{SECRETS}/s1", {"stringData": {"k": "v"}, "metadata": {"annotations": {"x": None}}})
    ).body

    assert same == created


async def test_generation_counts_changes_of_the_spec_and_a_deployments_annotations(api):
    await api("POST", DEPLOYMENTS, deployment("d1"))

    annotated = await api.merge(f"{DEPLOYMENTS}/d1", {"metadata": {"annotations": {"a": "b"}}})
    scaled = await api.merge(f"{DEPLOYMENTS}/d1", {"spec": {"replicas": 2}})

    assert annotated.body["metadata"]["generation"] == 2  # a Deployment's annotations count
    assert scaled.body["metadata"]["generation"] == 3


async def test_the_status_is_written_through_its_subresource_only(api):
    await api("POST", DEPLOYMENTS, deployment("d1", paused=True, replicas=0))

    plain = await api.merge(f"{DEPLOYMENTS}/d1", {"status": {"replicas": 77}})
    status = await api.merge(
        f"{DEPLOYMENTS}/d1/status", {"status": {"collisionCount": 7}, "spec": {"replicas": 5}}
    )

    assert plain.body["status"].get("replicas") != 77
    assert status.body["status"]["collisionCount"] == 7
    assert status.body["spec"]["replicas"] == 0


async def test_deletion_obeys_its_preconditions(api):
    created = (await api("POST", SECRETS, named("s1"))).body
    meta = created["metadata"]

    other = await api("DELETE", f"{SECRETS}/s1", {"preconditions": {"uid": "other"}})
    stale = await api("DELETE", f"{SECRETS}/s1", {"preconditions": {"resourceVersion": "1"}})
    right = {"preconditions": {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}}
    deleted = await api("DELETE", f"{SECRETS}/s1", right)

    assert [other.status, stale.status, deleted.status] == [409, 409, 200]
    assert other.body["reason"] == stale.body["reason"] == "Conflict"
    assert deleted.body["status"] == "Success"
    assert (await api("GET", f"{SECRETS}/s1")).status == 404


async def test_a_dry_run_leaves_no_trace(api):
    created = await api("POST", SECRETS, named("s1"), dryRun="All")
    assert (created.status, (await api("GET", f"{SECRETS}/s1")).status) == (201, 404)
    real = (await api("POST", SECRETS, named("s1"))).body

    patched = await api.merge(f"{SECRETS}/s1", {"stringData": {"k": "v"}}, dryRun="All")
    await api("DELETE", f"{SECRETS}/s1", dryRun="All")

    assert patched.body["data"] == {"k": "dg=="}
    assert (await api("GET", f"{SECRETS}/s1")).body == real


async def test_a_finalizer_holds_a_deleted_object_until_it_is_removed(api):
    await api("POST", CONFIGMAPS, {"metadata": {"name": "c1", "finalizers": ["x/y"]}})
    await api("DELETE", f"{CONFIGMAPS}/c1")

    held = await api("GET", f"{CONFIGMAPS}/c1")
    await api.merge(f"{CONFIGMAPS}/c1", {"metadata": {"finalizers": None}})

    assert "deletionTimestamp" in held.body["metadata"]
    assert (await api("GET", f"{CONFIGMAPS}/c1")).status == 404


async def test_server_side_apply_creates_and_merges(api):
    media = "application/apply-patch+yaml"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c1"}, "data": {"a": "1"}}

    created = await api("PATCH", f"{CONFIGMAPS}/c1", body, media, fieldManager="x", force="true")
    again = await api("PATCH", f"{CONFIGMAPS}/c1", body | {"data": {"b": "2"}}, media, fieldManager="x")

    assert (created.status, again.status) == (201, 200)
    assert again.body["data"] == {"a": "1", "b": "2"}


async def test_invalid_bodies_and_methods_are_refused(api):
    await api("POST", SECRETS, named("s1"))
    broken = await api("POST", SECRETS, "a,b", "text/csv")
    protobuf = await api("POST", SECRETS, "k8s", "application/vnd.kubernetes.protobuf")
    foreign = await api("PATCH", f"{SECRETS}/s1", {}, "application/json")
    wrong_method = await api("PATCH", SECRETS, {}, "application/merge-patch+json")
    renamed = await api.merge(f"{SECRETS}/s1", {"metadata": {"name": "s2"}})
    number = await api.merge(f"{SECRETS}/s1", {"metadata": {"annotations": {"a": 1}}})

    assert (broken.status, protobuf.status) == (415, 415)
    assert protobuf.body["message"].endswith("include: application/json, application/yaml")
    assert (foreign.status, foreign.body["reason"]) == (415, "UnsupportedMediaType")
    assert (wrong_method.status, wrong_method.body["reason"]) == (405, "MethodNotAllowed")
    assert (renamed.status, number.status) == (400, 422)
    assert number.body["reason"] == "Invalid"


@pytest.mark.parametrize(
    ("body", "where"),
    [
        (named("Upper"), "metadata.name"),
        (named("x" * 300), "metadata.name"),
        ({"metadata": {"name": "s", "annotations": {"a b": "c"}}}, "metadata.annotations"),
        ({"metadata": {"name": "s", "annotations": {"a": "x" * 300_000}}}, "metadata.annotations"),
        ({"metadata": {"name": "s", "labels": {"a": "no spaces"}}}, "metadata.labels"),
        ({}, "metadata.name"),
    ],
)
async def test_invalid_metadata_is_refused(api, body, where):
    refused = await api("POST", SECRETS, body)

    assert (refused.status, refused.body["reason"]) == (422, "Invalid")
    assert refused.body["details"]["causes"][0]["field"] == where


async def test_a_workload_without_containers_or_with_a_selector_of_other_pods_is_refused(api):
    empty, foreign = deployment("d1"), deployment("d1", selector={"matchLabels": {"app": "other"}})
    empty["spec"]["template"]["spec"]["containers"] = []

    assert (await api("POST", DEPLOYMENTS, empty)).status == 422
    assert (await api("POST", DEPLOYMENTS, foreign)).status == 422


async def test_the_selector_of_a_workload_cannot_change(api):
    await api("POST", DEPLOYMENTS, deployment("d1"))
    labels = {"app": "d1", "more": "1"}

    patch = {"spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}}}}

    assert (await api.merge(f"{DEPLOYMENTS}/d1", patch)).status == 422
