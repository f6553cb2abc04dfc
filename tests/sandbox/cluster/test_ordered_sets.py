"""StatefulSets and DaemonSets."""

import pytest

from sandbox.cluster import Cluster
from tests.sandbox.cluster.conftest import done, is_ready, mark_of, marked, pods_of, workload

finished = done("StatefulSet", "db")
node_agent_done = done("DaemonSet", "agent")


def stateful(cluster, **spec):
    cluster.apply(workload("StatefulSet", "db", replicas=3, serviceName="db", **spec))


def roll(cluster, mark, kind="StatefulSet", name="db"):
    cluster.patch(kind, "default", name, marked(mark))


def status(cluster, kind="StatefulSet", name="db"):
    return cluster.get(kind, "default", name).get("status", {})


def marks(cluster):
    return {pod["metadata"]["name"]: mark_of(pod) for pod in pods_of(cluster, "db")}


def revisions(cluster):
    return {
        one["data"]["spec"]["template"]["metadata"]["annotations"]["mark"]: one
        for one in cluster.list("ControllerRevision")
    }


def stuck(cluster):
    """Whether only the highest pod has the new mark: it runs, is not Ready and not terminating."""
    pods = {pod["metadata"]["name"]: pod for pod in pods_of(cluster, "db")}
    last = pods.get("db-2")
    if last is None or len(pods) != 3 or "deletionTimestamp" in last["metadata"]:
        return False
    return mark_of(last) == "2" and last["status"].get("phase") == "Running" and not is_ready(last)


async def test_pods_start_one_after_the_other(cluster, program):
    early = []

    def watched(current):
        ready = [is_ready(pod) for pod in pods_of(current, "db")]
        early.append(len(ready) - sum(ready) > 1)
        return finished(current)

    stateful(cluster)
    await cluster.wait_for(watched)

    assert not any(early)
    assert [name for name, _ in program.starts] == ["db-0", "db-1", "db-2"]
    labels = cluster.get("Pod", "default", "db-1")["metadata"]["labels"]
    assert labels["statefulset.kubernetes.io/pod-name"] == "db-1"
    assert labels["apps.kubernetes.io/pod-index"] == "1"
    assert labels["controller-revision-hash"] == status(cluster)["updateRevision"]


async def test_an_update_goes_from_the_highest_ordinal_down(cluster, program):
    stateful(cluster)
    await cluster.wait_for(finished)
    program.starts.clear()

    roll(cluster, "2")
    await cluster.wait_for(finished)
    await cluster.wait_for(
        lambda cluster: status(cluster)["currentRevision"] == status(cluster)["updateRevision"]
    )

    assert [name for name, _ in program.starts] == ["db-2", "db-1", "db-0"]
    assert status(cluster)["updateRevision"] == revisions(cluster)["2"]["metadata"]["name"]


async def stick(cluster, **spec):
    """Roll a StatefulSet to a template whose first pod never gets ready."""
    stateful(cluster, **spec)
    await cluster.wait_for(finished)
    cluster.set_pod_fault("default", "db", "never-ready")
    roll(cluster, "2")
    await cluster.wait_for(stuck)
    cluster.set_pod_fault("default", "db", None)


async def test_a_stuck_ordered_set_stays_stuck_after_a_revert_until_the_pod_is_deleted(cluster):
    await stick(cluster)

    roll(cluster, "1")
    await cluster.wait_for(lambda cluster: status(cluster)["observedGeneration"] == 3)
    assert stuck(cluster)

    cluster.delete("Pod", "default", "db-2")
    await cluster.wait_for(finished)


async def test_a_stuck_parallel_set_recovers_after_a_revert(cluster):
    await stick(cluster, podManagementPolicy="Parallel")

    roll(cluster, "1")

    await cluster.wait_for(finished)


async def test_a_revert_uses_the_old_revision_again_under_the_highest_number(cluster):
    stateful(cluster)
    await cluster.wait_for(finished)
    old = revisions(cluster)["1"]
    roll(cluster, "2")
    await cluster.wait_for(finished)

    roll(cluster, "1")
    await cluster.wait_for(finished)

    again = revisions(cluster)["1"]
    assert (again["metadata"]["uid"], len(revisions(cluster))) == (old["metadata"]["uid"], 2)
    assert (old["revision"], again["revision"]) == (1, 3)


async def test_pods_below_the_partition_keep_the_old_template(cluster):
    stateful(cluster, updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 2}})
    await cluster.wait_for(finished)

    roll(cluster, "2")
    await cluster.wait_for(
        lambda cluster: marks(cluster).get("db-2") == "2" and status(cluster)["readyReplicas"] == 3
    )
    cluster.delete("Pod", "default", "db-1")
    await cluster.wait_for(lambda cluster: cluster.get("Pod", "default", "db-1") is None)
    await cluster.wait_for(lambda cluster: status(cluster)["readyReplicas"] == 3)

    assert marks(cluster) == {"db-0": "1", "db-1": "1", "db-2": "2"}
    assert status(cluster)["currentRevision"] != status(cluster)["updateRevision"]


async def test_on_delete_touches_no_pod(cluster):
    stateful(cluster, updateStrategy={"type": "OnDelete"})
    await cluster.wait_for(finished)
    roll(cluster, "2")
    await cluster.wait_for(lambda cluster: status(cluster)["observedGeneration"] == 2)
    assert set(marks(cluster).values()) == {"1"}

    cluster.delete("Pod", "default", "db-0")

    await cluster.wait_for(lambda cluster: marks(cluster) == {"db-0": "2", "db-1": "1", "db-2": "1"})


async def test_scaling_down_removes_the_highest_ordinals_first(cluster):
    stateful(cluster)
    await cluster.wait_for(finished)

    cluster.patch("StatefulSet", "default", "db", {"spec": {"replicas": 1}})

    await cluster.wait_for(finished)
    assert list(marks(cluster)) == ["db-0"]


async def test_a_daemon_set_rolls_and_names_its_revision(cluster):
    cluster.apply(workload("DaemonSet", "agent"))
    await cluster.wait_for(node_agent_done)

    roll(cluster, "2", "DaemonSet", "agent")
    await cluster.wait_for(node_agent_done)

    newest = max(cluster.list("ControllerRevision"), key=lambda one: one["revision"])
    (pod,) = pods_of(cluster, "agent")
    digest = newest["metadata"]["labels"]["controller-revision-hash"]
    assert pod["metadata"]["labels"]["controller-revision-hash"] == digest
    assert newest["metadata"]["name"] == f"agent-{digest}"
    assert status(cluster, "DaemonSet", "agent")["updatedNumberScheduled"] == 1


async def test_a_reverted_daemon_set_replaces_the_stuck_pod_first(program):
    async with Cluster(program, ready_delay=0.02, term_delay=0.02, nodes=3) as cluster:
        cluster.apply(workload("DaemonSet", "agent"))
        await cluster.wait_for(lambda cluster: sum(is_ready(pod) for pod in pods_of(cluster, "agent")) == 3)
        before = {pod["metadata"]["uid"] for pod in pods_of(cluster, "agent")}
        cluster.set_pod_fault("default", "agent", "never-ready")
        roll(cluster, "2", "DaemonSet", "agent")
        await cluster.wait_for(
            lambda cluster: any(
                mark_of(pod) == "2" and pod["status"].get("phase") == "Running"
                for pod in pods_of(cluster, "agent")
            )
        )
        cluster.set_pod_fault("default", "agent", None)

        roll(cluster, "1", "DaemonSet", "agent")
        await cluster.wait_for(
            lambda cluster: status(cluster, "DaemonSet", "agent").get("numberAvailable") == 3
        )

        after = {pod["metadata"]["uid"] for pod in pods_of(cluster, "agent")}
        assert len(before & after) == 2


async def test_a_daemon_set_on_delete_waits_until_its_pods_are_deleted(cluster):
    cluster.apply(workload("DaemonSet", "agent", updateStrategy={"type": "OnDelete"}))
    await cluster.wait_for(node_agent_done)
    roll(cluster, "2", "DaemonSet", "agent")
    await cluster.wait_for(lambda cluster: status(cluster, "DaemonSet", "agent")["observedGeneration"] == 2)
    (pod,) = pods_of(cluster, "agent")
    assert mark_of(pod) == "1"

    cluster.delete("Pod", "default", pod["metadata"]["name"])

    await cluster.wait_for(node_agent_done)


@pytest.mark.parametrize(("kind", "name"), [("StatefulSet", "db"), ("DaemonSet", "agent")])
async def test_a_deleted_set_takes_its_pods_and_revisions_with_it(cluster, kind, name):
    cluster.apply(workload(kind, name))
    await cluster.wait_for(done(kind, name))

    cluster.delete(kind, "default", name)

    await cluster.wait_for(lambda cluster: not cluster.list("Pod") and not cluster.list("ControllerRevision"))
