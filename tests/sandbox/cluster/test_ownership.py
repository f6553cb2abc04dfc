"""Which writer owns which field; the contract tests compare this with a real API server."""

from __future__ import annotations

from tests.sandbox.cluster.conftest import secret, workload

PATH = "/api/v1/namespaces/default/secrets/settings"


def owners(obj, *path):
    """Return the managers that own the field at this path."""
    found = []
    for entry in obj["metadata"]["managedFields"]:
        node = entry["fieldsV1"]
        for part in path:
            node = (node or {}).get(part)
        if node is not None:
            found.append((entry["manager"], entry["operation"]))
    return found


def current(cluster):
    return cluster.get("Secret", "default", "settings")


async def test_a_value_belongs_to_its_last_writer(cluster, api):
    cluster.apply(secret(token="one"), manager="helm")
    assert owners(current(cluster), "f:data", "f:token") == [("helm", "Update")]
    await api.merge(PATH, {"data": {"token": "dHdv"}}, fieldManager="rotator")
    assert owners(current(cluster), "f:data", "f:token") == [("rotator", "Update")]
    cluster.patch("Secret", "default", "settings", {"data": {"token": "b25l"}}, manager="argocd")
    assert owners(current(cluster), "f:data", "f:token") == [("argocd", "Update")]


async def test_an_unchanged_field_keeps_its_owner(cluster, api):
    cluster.apply(secret(token="one", other="x"), manager="helm")
    await api.merge(PATH, {"data": {"token": "dHdv", "other": "eA=="}}, fieldManager="rotator")
    assert owners(current(cluster), "f:data", "f:other") == [("helm", "Update")]


async def test_annotations_belong_to_their_writers_one_by_one(cluster):
    cluster.apply(secret(token="one"), manager="helm")
    for manager in ("one", "two"):
        note = {"metadata": {"annotations": {f"example.org/{manager}": "x"}}}
        cluster.patch("Secret", "default", "settings", note, manager=manager)
    where = ("f:metadata", "f:annotations")
    assert owners(current(cluster), *where, "f:example.org/one") == [("one", "Update")]
    assert owners(current(cluster), *where, "f:example.org/two") == [("two", "Update")]


async def test_the_client_is_the_manager_if_it_names_none(cluster, api):
    await api("POST", "/api/v1/namespaces/default/secrets", secret(token="one"))
    assert owners(current(cluster), "f:data", "f:token") == [("OpenAPI-Generator", "Update")]


async def test_applied_fields_belong_to_the_writer_that_applies(cluster, api):
    """Server-side apply is modelled without conflicts."""
    cluster.apply(secret(token="one"), manager="helm")
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "settings"}}
    applied = body | {"data": {"token": "dHdv"}}
    await api("PATCH", PATH, applied, "application/apply-patch+yaml", fieldManager="argocd")
    assert owners(current(cluster), "f:data", "f:token") == [("argocd", "Apply")]


async def test_a_mark_on_a_template_has_an_owner(cluster):
    cluster.apply(workload("Deployment", "web"), manager="helm")
    mark = {"spec": {"template": {"metadata": {"annotations": {"mark": "2"}}}}}
    cluster.patch("Deployment", "default", "web", mark, manager="rotator")
    where = ("f:spec", "f:template", "f:metadata", "f:annotations", "f:mark")
    assert owners(cluster.get("Deployment", "default", "web"), *where) == [("rotator", "Update")]


async def test_status_has_an_entry_of_its_own(cluster):
    cluster.apply(workload("Deployment", "web"), manager="helm")
    await cluster.wait_for(
        lambda cluster: cluster.get("Deployment", "default", "web")["status"].get("readyReplicas")
    )
    entries = cluster.get("Deployment", "default", "web")["metadata"]["managedFields"]
    (status,) = [entry for entry in entries if entry.get("subresource") == "status"]
    assert status["manager"] == "kube-controller-manager"
    assert "f:readyReplicas" in status["fieldsV1"]["f:status"]
