"""The same request to both: code, reason, message and details of the refusal are the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.cluster.api import JSON_PATCH, MERGE, Answer, path
from tests.cluster.contract.manifests import b64, secret, workload
from tests.cluster.world import World

JSON = "application/json"
NAMESPACE = "NAMESPACE"
LEASE = {"kind": "Lease", "apiVersion": "coordination.k8s.io/v1", "metadata": {"name": "m"}}


@dataclass(frozen=True)
class Request:
    """`kind` and `name` make the path, in a namespace in which Secret "s" and Deployment "w" exist."""

    method: str
    kind: str
    name: str = ""
    body: Any = None
    media: str = JSON
    namespace: str = NAMESPACE
    sub: str = ""


def v1(manifest: dict[str, Any], **more: Any) -> dict[str, Any]:
    version = "v1" if manifest["kind"] == "Secret" else "apps/v1"
    return {"apiVersion": version} | manifest | more


REQUESTS = {
    "a secret that is not there": Request("GET", "Secret", "nothing"),
    "a deployment that is not there": Request("PATCH", "Deployment", "nothing", {}, MERGE),
    "a lease that is not there": Request("GET", "Lease", "nothing"),
    "deleting what is not there": Request("DELETE", "Pod", "nothing"),
    "creating what is there": Request("POST", "Secret", body=v1(secret())),
    "creating in no namespace": Request("POST", "Secret", body=v1(secret()), namespace="nowhere"),
    "no name": Request("POST", "Secret", body={"kind": "Secret", "apiVersion": "v1", "metadata": {}}),
    "a body that is no json": Request("POST", "Secret", body=b"{"),
    "an empty body": Request("POST", "Secret", body=b""),
    "a patch that is no json": Request("PATCH", "Secret", "s", b"{", MERGE),
    "a body of another kind": Request(
        "POST", "Secret", body={"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "x"}}
    ),
    "a string for a map": Request("PATCH", "Secret", "s", {"data": "x"}, MERGE),
    "a value that is not base64": Request("PATCH", "Secret", "s", {"data": {"a": "%"}}, MERGE),
    "a number for an annotation": Request(
        "PATCH", "Secret", "s", {"metadata": {"annotations": {"a": 1}}}, MERGE
    ),
    "a bad annotation name": Request(
        "PATCH", "Secret", "s", {"metadata": {"annotations": {"a b": "1"}}}, MERGE
    ),
    "a bad data key": Request("PATCH", "Secret", "s", {"data": {"a/b": "YQ=="}}, MERGE),
    "another type of secret": Request("PATCH", "Secret", "s", {"type": "other"}, MERGE),
    "another name": Request("PATCH", "Secret", "s", {"metadata": {"name": "t"}}, MERGE),
    "another namespace": Request("PATCH", "Secret", "s", {"metadata": {"namespace": "t"}}, MERGE),
    "another uid": Request("PATCH", "Secret", "s", {"metadata": {"uid": "0-0"}}, MERGE),
    "an old version": Request("PATCH", "Secret", "s", {"metadata": {"resourceVersion": "1"}}, MERGE),
    "a version that is no number": Request(
        "PATCH", "Secret", "s", {"metadata": {"resourceVersion": "x"}}, MERGE
    ),
    "an old version of a deployment": Request(
        "PATCH", "Deployment", "w", {"metadata": {"resourceVersion": "1"}}, MERGE
    ),
    "an unknown patch type": Request("PATCH", "Secret", "s", {}, "application/x-unknown"),
    "plain json as a patch": Request("PATCH", "Secret", "s", {}, JSON),
    "an unknown type of body": Request("POST", "Secret", body=b"x", media="application/x-unknown"),
    "a json patch that fails": Request(
        "PATCH", "Secret", "s", [{"op": "test", "path": "/data/a", "value": "x"}], JSON_PATCH
    ),
    "a json patch of nothing": Request(
        "PATCH", "Secret", "s", [{"op": "remove", "path": "/data/zz"}], JSON_PATCH
    ),
    "a method for collections only": Request("POST", "Secret", "s", v1(secret())),
    "putting a collection": Request("PUT", "Secret", body=v1(secret())),
    "another selector": Request(
        "PATCH", "Deployment", "w", {"spec": {"selector": {"matchLabels": {"app": "x"}}}}, MERGE
    ),
    "less than no replicas": Request("PATCH", "Deployment", "w", {"spec": {"replicas": -1}}, MERGE),
    "a field of a stateful set that is fixed": Request(
        "PATCH", "StatefulSet", "w", {"spec": {"serviceName": "other"}}, MERGE
    ),
    "a lease of no time": Request("POST", "Lease", body=LEASE | {"spec": {"leaseDurationSeconds": 0}}),
    "a lease with a time without fraction": Request(
        "POST", "Lease", body=LEASE | {"spec": {"renewTime": "2026-01-01T00:00:00Z"}}
    ),
    "a patch of a lease to a time without fraction": Request(
        "PATCH", "Lease", "l", {"spec": {"renewTime": "2026-01-01T00:00:00Z"}}, MERGE
    ),
    "less than no lease transitions": Request(
        "POST", "Lease", body=LEASE | {"spec": {"leaseTransitions": -1}}
    ),
    "deleting another uid": Request(
        "DELETE", "Secret", "s", {"preconditions": {"uid": "00000000-0000-0000-0000-000000000000"}}
    ),
    "deleting an old version": Request("DELETE", "Secret", "s", {"preconditions": {"resourceVersion": "1"}}),
}

OTHER_WORDS = {
    "a body that is no json": "Go's parser says it in its own words",
    "an empty body": "the same",
    "a patch that is no json": "the same",
    "a body of another kind": "Go's conversion says it in its own words",
    "a string for a map": "the object is quoted, with the times of its managedFields",
    "a value that is not base64": "the same",
    "a number for an annotation": "the same",
    "a patch of a lease to a time without fraction": "the same",
    "a bad annotation name": "details are repeated by a real server",
    "another uid": "the same",
    "another selector": "a real server names both fields that are wrong, the sandbox the first",
}
"""Where only code and reason are the same, and why that is left so."""


async def _refused(world: World, request: Request) -> Answer:
    namespace = await world.namespace()
    await world.api.create(secret(), namespace)
    await world.api.create(workload("Deployment", replicas=0), namespace)
    await world.api.create(workload("StatefulSet", replicas=0), namespace)
    await world.api.create({"kind": "Lease", "metadata": {"name": "l"}}, namespace)
    where = namespace if request.namespace == NAMESPACE else request.namespace
    at = path(request.kind, where, request.name, request.sub)
    answer = await world.api.call(request.method, at, request.body, request.media)
    known = {"NAMESPACE": namespace}
    for kind in ("Secret", "Deployment", "StatefulSet"):
        made = await world.api.get(kind, namespace, "s" if kind == "Secret" else "w")
        known[f"{kind} UID"] = made["metadata"]["uid"]
        known[f"{kind} VERSION"] = made["metadata"]["resourceVersion"]
    return Answer(answer.status, _nameless(answer.body, known))


def _nameless(node: Any, known: dict[str, str]) -> Any:
    """What differs from cluster to cluster, replaced by its meaning."""
    if isinstance(node, dict):
        return {key: _nameless(value, known) for key, value in node.items()}
    if isinstance(node, list):
        return [_nameless(value, known) for value in node]
    for meaning, value in known.items():
        node = node.replace(value, meaning) if isinstance(node, str) else node
    return node


@pytest.mark.parametrize("what", REQUESTS)
async def test_both_refuse_alike(sandboxed: World, real: World, what: str):
    ours = await _refused(sandboxed, REQUESTS[what])
    theirs = await _refused(real, REQUESTS[what])
    assert theirs.status >= 400
    assert (ours.status, ours.body.get("reason")) == (theirs.status, theirs.body.get("reason"))
    if what not in OTHER_WORDS:
        assert ours.body == theirs.body


async def test_an_unreadable_patch_is_answered_with_the_whole_object(sandboxed: World, real: World):
    """An answer may hold a Secret's values: a report of it has to be cleaned."""
    for world in (sandboxed, real):
        answer = await _refused(world, REQUESTS["a number for an annotation"])
        assert b64("one") in answer.body["message"]
