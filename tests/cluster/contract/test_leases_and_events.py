from __future__ import annotations

from datetime import UTC, datetime

from tests.cluster.api import MERGE, path
from tests.cluster.contract.manifests import secret
from tests.cluster.world import World


def lease(**spec: object) -> dict[str, object]:
    return {"kind": "Lease", "metadata": {"name": "l"}, "spec": spec}


async def test_a_lease_keeps_micro_times_as_they_were_written(world: World, namespace: str):
    at = "2026-01-02T03:04:05.000678Z"
    made = await world.api.create(lease(holderIdentity="a", renewTime=at, acquireTime=at), namespace)
    assert made["spec"] == {"holderIdentity": "a", "renewTime": at, "acquireTime": at}


async def test_two_takers_of_one_version_cannot_both_win(world: World, namespace: str):
    made = await world.api.create(lease(holderIdentity="", leaseTransitions=0), namespace)
    version = made["metadata"]["resourceVersion"]
    answers = [
        await world.api.call(
            "PATCH",
            path("Lease", namespace, "l"),
            {"metadata": {"resourceVersion": version}, "spec": {"holderIdentity": who}},
            MERGE,
        )
        for who in ("a", "b")
    ]
    assert [answer.status for answer in answers] == [200, 409]
    assert (await world.api.get("Lease", namespace, "l"))["spec"]["holderIdentity"] == "a"


async def test_null_gives_a_lease_back(world: World, namespace: str):
    await world.api.create(lease(holderIdentity="a", leaseDurationSeconds=5), namespace)
    freed = await world.api.patch("Lease", namespace, "l", {"spec": {"holderIdentity": None}})
    assert freed["spec"] == {"leaseDurationSeconds": 5}


async def test_an_event_is_created_and_counted_up(world: World, namespace: str):
    about = await world.api.create(secret(), namespace)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    event = {
        "kind": "Event",
        "metadata": {"name": "s.1"},
        "involvedObject": {
            "kind": "Secret",
            "apiVersion": "v1",
            "namespace": namespace,
            "name": "s",
            "uid": about["metadata"]["uid"],
        },
        "type": "Normal",
        "reason": "TokenIssued",
        "message": "issued",
        "count": 1,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "source": {"component": "test"},
    }
    await world.api.create(event, namespace)
    counted = await world.api.patch("Event", namespace, "s.1", {"count": 2, "lastTimestamp": now})
    assert (counted["count"], counted["reason"]) == (2, "TokenIssued")


async def test_an_event_about_another_namespace_is_refused(world: World, namespace: str):
    event = {
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": {"name": "s.1"},
        "involvedObject": {"kind": "Secret", "namespace": "elsewhere", "name": "s"},
        "reason": "R",
        "message": "m",
        "type": "Normal",
    }
    answer = await world.api.call("POST", path("Event", namespace), event)
    assert (answer.status, answer.body["reason"]) == (422, "Invalid")
    assert answer.body["details"]["causes"][0]["field"] == "involvedObject.namespace"


async def test_an_access_review_says_what_an_administrator_may(world: World, namespace: str):
    wanted = {"verb": "patch", "resource": "secrets", "namespace": namespace, "name": "s"}
    review = {
        "kind": "SelfSubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "spec": {"resourceAttributes": wanted},
    }
    where = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answer = await world.api.call("POST", where, review)
    assert answer.status == 201
    assert answer.body["status"]["allowed"] is True
    assert answer.body["spec"]["resourceAttributes"] == wanted
