"""Evictions without a real control plane; the contract tests compare them with one."""

from __future__ import annotations

import pytest

from sandbox.cluster.eviction import evict
from sandbox.cluster.statuses import ApiError
from tests.sandbox.cluster.conftest import done, workload

POD = "/api/v1/namespaces/default/pods/db-0"


def evicting(**options):
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "db-0"}}
    return body | ({"deleteOptions": options} if options else {})


@pytest.fixture
async def db(cluster):
    """A StatefulSet of two pods; returns the first pod."""
    cluster.apply(workload("StatefulSet", "db", serviceName="db", replicas=2))
    await cluster.wait_for(done("StatefulSet", "db"))
    return cluster.get("Pod", "default", "db-0")


async def guarded(cluster, **spec):
    selector = {"matchLabels": {"app": "db"}}
    meta = {"name": "guard", "namespace": "default"}
    cluster.apply({"kind": "PodDisruptionBudget", "metadata": meta, "spec": {"selector": selector} | spec})
    await cluster.wait_for(lambda cluster: "observedGeneration" in budget(cluster)["status"])


def budget(cluster):
    return cluster.get("PodDisruptionBudget", "default", "guard")


async def test_an_evicted_pod_is_replaced(cluster, api, db):
    answer = await api("POST", f"{POD}/eviction", evicting(preconditions={"uid": db["metadata"]["uid"]}))
    assert (answer.status, answer.body["status"]) == (201, "Success")
    await cluster.wait_for(
        lambda cluster: (cluster.get("Pod", "default", "db-0") or db)["metadata"]["uid"] != db_uid(db)
    )
    await cluster.wait_for(done("StatefulSet", "db"))


def db_uid(pod):
    return pod["metadata"]["uid"]


async def test_a_budget_forbids_it(cluster, api, db):
    await guarded(cluster, minAvailable=2)
    answer = await api("POST", f"{POD}/eviction", evicting())
    assert (answer.status, answer.body["reason"]) == (429, "TooManyRequests")
    assert answer.body["details"] == {
        "causes": [
            {
                "reason": "DisruptionBudget",
                "message": "The disruption budget guard needs 2 healthy pods and has 2 currently",
            }
        ]
    }
    assert "deletionTimestamp" not in cluster.get("Pod", "default", "db-0")["metadata"]


async def test_a_budget_for_other_pods_forbids_nothing(cluster, api, db):
    meta, selector = {"name": "guard"}, {"matchLabels": {"app": "other"}}
    spec = {"selector": selector, "minAvailable": 2}
    cluster.apply({"kind": "PodDisruptionBudget", "metadata": meta, "spec": spec})
    await cluster.wait_for(lambda cluster: "observedGeneration" in budget(cluster).get("status", {}))
    assert (await api("POST", f"{POD}/eviction", evicting())).status == 201


async def test_a_budget_that_was_just_created_answers_retry_later(cluster, db):
    """The controller has not run yet: these lines have no await between them."""
    spec = {"selector": {"matchLabels": {"app": "db"}}, "maxUnavailable": 1}
    cluster.apply({"kind": "PodDisruptionBudget", "metadata": {"name": "guard"}, "spec": spec})
    with pytest.raises(ApiError) as refused:
        evict(cluster._registry, "default", "db-0", evicting(), dry_run=False)
    assert (refused.value.code, refused.value.details["retryAfterSeconds"]) == (429, 10)


@pytest.mark.parametrize("wrong", [{"uid": "00000000-0000-0000-0000-000000000000"}, {"resourceVersion": "1"}])
async def test_another_pod_with_the_same_name_is_not_evicted(cluster, api, db, wrong):
    answer = await api("POST", f"{POD}/eviction", evicting(preconditions=wrong))
    assert (answer.status, answer.body["reason"]) == (409, "Conflict")
    assert cluster.get("Pod", "default", "db-0") == db


async def test_an_eviction_can_be_denied(cluster, api, db):
    cluster.deny("create", "pods/eviction")
    assert (await api("POST", f"{POD}/eviction", evicting())).status == 403
    cluster.allow("create", "pods/eviction")
    assert (await api("POST", f"{POD}/eviction", evicting())).status == 201


async def test_a_terminating_pod_counts_as_gone(cluster, api, db):
    await guarded(cluster, maxUnavailable=1)
    assert budget(cluster)["status"]["disruptionsAllowed"] == 1
    await api("POST", f"{POD}/eviction", evicting())
    assert budget(cluster)["status"]["disruptionsAllowed"] == 0
    await cluster.wait_for(lambda cluster: budget(cluster)["status"]["disruptionsAllowed"] == 1)
