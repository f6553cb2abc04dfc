from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rotator.kube.targets.pods import belongs, pod_of, unfinished
from rotator.kube.targets.workloads import selector_of
from tests.kube.objects import a_pod, a_workload


def started(at: str, name: str = "gw"):
    return {"name": name, "state": {"running": {"startedAt": at}}}


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2029, 12, 24, hour, minute, tzinfo=UTC)


def test_a_running_ready_pod_works_since_its_container_started():
    pod = pod_of(a_pod("p", "0123456789ab"), "s", "value")
    assert (pod.pod_token, pod.started_at, pod.works) == ("0123456789ab", at(11), True)


@pytest.mark.parametrize(
    "status",
    [
        {"conditions": [{"type": "Ready", "status": "False"}]},
        {"conditions": []},
        {"phase": "Pending"},
        {"containerStatuses": [{"name": "gw", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]},
    ],
)
def test_a_pod_that_is_not_ready_does_not_work(status):
    assert not pod_of(a_pod("p", **status), "s", "value").works


def test_a_pod_without_started_containers_counts_from_its_creation_and_does_not_work():
    pod = pod_of(a_pod("p", phase="Pending", containerStatuses=[]), "s", "value")
    assert (pod.started_at, pod.works) == (at(10, 59), False)


def test_only_containers_that_read_the_secret_tell_when_a_pod_started():
    raw = a_pod(
        "p", containerStatuses=[started("2029-12-24T08:00:00Z", "sidecar"), started("2029-12-24T11:30:00Z")]
    )
    raw["spec"]["containers"].append({"name": "sidecar"})
    assert pod_of(raw, "s", "value").started_at == at(11, 30)


def test_a_pod_runs_since_the_first_of_its_readers_started():
    raw = a_pod(
        "p",
        initContainerStatuses=[
            {"name": "init", "state": {"terminated": {"startedAt": "2029-12-24T09:00:00Z"}}}
        ],
        containerStatuses=[started("2029-12-24T11:30:00Z")],
    )
    raw["spec"]["initContainers"] = [{"name": "init", "envFrom": [{"secretRef": {"name": "s"}}]}]
    pod = pod_of(raw, "s", "value")
    assert (pod.started_at, pod.works) == (at(9), True)


def with_container(name: str | None, uid: str = "u1"):
    raw = a_pod(
        "p", containerStatuses=[started("2029-12-24T11:00:00Z") | ({"containerID": name} if name else {})]
    )
    raw["metadata"]["uid"] = uid
    return pod_of(raw, "s", "value").instance


def test_a_container_that_starts_anew_is_another_instance_of_the_pod():
    assert with_container("containerd://1") == with_container("containerd://1")
    instances = {
        with_container("containerd://1"),
        with_container("containerd://2"),
        with_container("containerd://1", "u2"),
    }
    assert len(instances) == 3


def test_a_pod_whose_container_has_no_id_yet_witnesses_nothing():
    assert with_container(None) == ""


def test_a_container_that_crashed_started_when_it_started_last():
    crashed = {
        "name": "gw",
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"startedAt": "2029-12-24T10:00:00Z"}},
    }
    pod = pod_of(a_pod("p", containerStatuses=[crashed]), "s", "value")
    assert (pod.started_at, pod.works) == (at(10), False)


def test_terminating_pods_still_run_and_finished_ones_do_not():
    terminating = a_pod("terminating")
    terminating["metadata"]["deletionTimestamp"] = "2029-12-24T12:00:00Z"
    pods = [terminating, a_pod("evicted", phase="Failed"), a_pod("done", phase="Succeeded")]
    assert [pod["metadata"]["name"] for pod in unfinished(pods)] == ["terminating"]


def test_a_deployments_pods_are_those_of_its_replica_sets():
    deployment = a_workload("Deployment", {})
    assert belongs(a_pod("p"), deployment)
    for owner in [
        {"kind": "ReplicaSet", "name": "gw-other-abc", "controller": True},
        {"kind": "Job", "name": "gw-abc", "controller": True},
        {"kind": "ReplicaSet", "name": "gw-abc"},
    ]:
        unknown = a_pod("p")
        unknown["metadata"]["ownerReferences"] = [owner]
        assert not belongs(unknown, deployment)


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_other_workloads_own_their_pods_themselves(kind):
    pod = a_pod("p")
    assert not belongs(pod, a_workload(kind, {}))
    pod["metadata"]["ownerReferences"] = [{"kind": kind, "name": "gw", "uid": "w-uid", "controller": True}]
    assert belongs(pod, a_workload(kind, {}))


def test_every_kind_of_selector_becomes_a_query():
    terms = [
        {"key": "tier", "operator": "In", "values": ["a", "b"]},
        {"key": "env", "operator": "NotIn", "values": ["dev"]},
        {"key": "app", "operator": "Exists"},
        {"key": "canary", "operator": "DoesNotExist"},
    ]
    selector = {"matchLabels": {"x": "1", "a": "2"}, "matchExpressions": terms}
    only_workload = a_workload("Deployment", {}, selector=selector)
    assert selector_of(only_workload) == "a=2,x=1,tier in (a,b),env notin (dev),app,!canary"
