import pytest

from tests.sandbox.cluster.conftest import deployment, done, is_ready, mark_of, marked, pods_of

REVISION = "deployment.kubernetes.io/revision"
GENTLE = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "25%"}}
finished = done("Deployment", "web")


@pytest.fixture
async def rolled_out(cluster):
    cluster.apply(deployment(replicas=2, strategy=GENTLE))
    await cluster.wait_for(finished)
    return cluster


def sets(cluster):
    """Return the ReplicaSets by the marks of their templates."""
    return {mark_of(one["spec"]["template"]): one for one in cluster.list("ReplicaSet", "default")}


def roll(cluster, mark):
    cluster.patch("Deployment", "default", "web", marked(mark))


def status(cluster):
    return cluster.get("Deployment", "default", "web").get("status", {})


def condition(cluster, kind):
    return next((one for one in status(cluster).get("conditions", []) if one["type"] == kind), {})


async def test_a_finished_rollout_has_the_status_that_kubectl_expects(rolled_out):
    await rolled_out.wait_for(
        lambda cluster: condition(cluster, "Progressing").get("reason") == "NewReplicaSetAvailable"
    )

    counters = {key: value for key, value in status(rolled_out).items() if key != "conditions"}
    assert counters == {
        "observedGeneration": 1,
        "replicas": 2,
        "updatedReplicas": 2,
        "readyReplicas": 2,
        "availableReplicas": 2,
        "terminatingReplicas": 0,
    }
    assert condition(rolled_out, "Available")["status"] == "True"
    assert condition(rolled_out, "Progressing")["status"] == "True"


async def test_pods_belong_to_a_replica_set_that_belongs_to_the_deployment(rolled_out):
    (replica_set,) = rolled_out.list("ReplicaSet", "default")
    digest = replica_set["metadata"]["labels"]["pod-template-hash"]

    assert replica_set["metadata"]["name"] == f"web-{digest}"
    assert replica_set["metadata"]["ownerReferences"][0]["kind"] == "Deployment"
    for pod in pods_of(rolled_out, "web"):
        assert pod["metadata"]["ownerReferences"][0]["uid"] == replica_set["metadata"]["uid"]
        assert pod["metadata"]["labels"]["pod-template-hash"] == digest
        assert pod["metadata"]["name"].startswith(f"web-{digest}-")


async def test_a_new_template_replaces_every_pod_and_keeps_enough_available(rolled_out):
    fewest = [2]

    def watched(cluster):
        fewest.append(sum(is_ready(pod) for pod in pods_of(cluster, "web")))
        return finished(cluster)

    roll(rolled_out, "2")
    await rolled_out.wait_for(watched)

    assert min(fewest) == 2
    assert max(len(sets(rolled_out)), 0) == 2
    assert {mark: one["spec"]["replicas"] for mark, one in sets(rolled_out).items()} == {"1": 0, "2": 2}


async def test_a_revert_uses_the_old_replica_set_again_under_a_new_revision(rolled_out):
    old = sets(rolled_out)["1"]["metadata"]
    roll(rolled_out, "2")
    await rolled_out.wait_for(finished)

    roll(rolled_out, "1")
    await rolled_out.wait_for(finished)

    again = sets(rolled_out)["1"]["metadata"]
    assert (again["uid"], len(sets(rolled_out))) == (old["uid"], 2)
    assert again["annotations"][REVISION] == "3"
    assert again["annotations"]["deployment.kubernetes.io/revision-history"] == "1"
    assert rolled_out.get("Deployment", "default", "web")["metadata"]["annotations"][REVISION] == "3"


async def test_a_stuck_rollout_keeps_the_old_pods_and_a_revert_creates_none(rolled_out):
    before = {pod["metadata"]["uid"] for pod in pods_of(rolled_out, "web")}
    rolled_out.set_pod_fault("default", "web", "never-ready")
    roll(rolled_out, "2")
    await rolled_out.wait_for(
        lambda cluster: status(cluster).get("updatedReplicas") == 1 and len(pods_of(cluster, "web")) == 3
    )
    rolled_out.set_pod_fault("default", "web", None)

    roll(rolled_out, "1")
    await rolled_out.wait_for(finished)

    assert {pod["metadata"]["uid"] for pod in pods_of(rolled_out, "web")} == before


async def test_a_rollout_that_does_not_progress_exceeds_its_deadline_and_recovers(rolled_out):
    rolled_out.patch("Deployment", "default", "web", {"spec": {"progressDeadlineSeconds": 1}})
    rolled_out.set_pod_fault("default", "web", "crash-loop")
    roll(rolled_out, "2")
    await rolled_out.wait_for(
        lambda cluster: condition(cluster, "Progressing").get("reason") == "ProgressDeadlineExceeded"
    )
    assert condition(rolled_out, "Progressing")["status"] == "False"

    roll(rolled_out, "1")
    await rolled_out.wait_for(
        lambda cluster: condition(cluster, "Progressing").get("reason") == "NewReplicaSetAvailable"
    )


async def test_a_paused_deployment_does_not_roll(rolled_out):
    rolled_out.patch("Deployment", "default", "web", {"spec": {"paused": True}})
    roll(rolled_out, "2")
    await rolled_out.wait_for(
        lambda cluster: condition(cluster, "Progressing").get("reason") == "DeploymentPaused"
    )
    assert condition(rolled_out, "Progressing")["status"] == "Unknown"
    await rolled_out.wait_for(lambda cluster: status(cluster)["observedGeneration"] == 3)
    assert list(sets(rolled_out)) == ["1"]

    rolled_out.patch("Deployment", "default", "web", {"spec": {"paused": None}})
    await rolled_out.wait_for(finished)


async def test_recreate_ends_all_old_pods_before_the_first_new_one(cluster, program):
    cluster.apply(deployment(replicas=2, strategy={"type": "Recreate"}))
    await cluster.wait_for(finished)
    mixed = []

    def watched(current):
        mixed.append({mark_of(pod) for pod in pods_of(current, "web")})
        return finished(current)

    roll(cluster, "2")
    await cluster.wait_for(watched)

    assert {"1", "2"} not in mixed
    assert set() in mixed


async def test_history_beyond_the_limit_is_deleted(cluster):
    cluster.apply(deployment(revisionHistoryLimit=0))
    await cluster.wait_for(finished)

    roll(cluster, "2")

    await cluster.wait_for(lambda cluster: finished(cluster) and list(sets(cluster)) == ["2"])


async def test_scaling_changes_the_number_of_pods_only(rolled_out):
    kept = {pod["metadata"]["uid"] for pod in pods_of(rolled_out, "web")}

    rolled_out.patch("Deployment", "default", "web", {"spec": {"replicas": 4}})
    await rolled_out.wait_for(finished)
    assert kept < {pod["metadata"]["uid"] for pod in pods_of(rolled_out, "web")}

    rolled_out.patch("Deployment", "default", "web", {"spec": {"replicas": 0}})
    await rolled_out.wait_for(lambda cluster: not pods_of(cluster, "web"))
    assert len(sets(rolled_out)) == 1


async def test_min_ready_seconds_count_for_available_not_for_ready(cluster):
    cluster.apply(deployment(minReadySeconds=1))

    await cluster.wait_for(lambda cluster: status(cluster).get("readyReplicas") == 1)
    assert status(cluster).get("availableReplicas", 0) == 0
    await cluster.wait_for(lambda cluster: status(cluster).get("availableReplicas") == 1)


async def test_a_deleted_pod_is_replaced(rolled_out):
    gone = pods_of(rolled_out, "web")[0]["metadata"]["name"]

    rolled_out.delete("Pod", "default", gone)

    await rolled_out.wait_for(
        lambda cluster: cluster.get("Pod", "default", gone) is None and finished(cluster)
    )


async def test_a_deleted_deployment_takes_everything_with_it(rolled_out, program):
    rolled_out.delete("Deployment", "default", "web")

    await rolled_out.wait_for(lambda cluster: not cluster.list("ReplicaSet") and not cluster.list("Pod"))
    assert program.running == {}


async def test_a_deletion_may_leave_orphans(rolled_out, api):
    path = "/apis/apps/v1/namespaces/default/deployments/web"

    await api("DELETE", path, {"propagationPolicy": "Orphan"})

    assert (await api("GET", path)).status == 404
    (replica_set,) = rolled_out.list("ReplicaSet", "default")
    assert "ownerReferences" not in replica_set["metadata"] or not replica_set["metadata"]["ownerReferences"]
    assert len(pods_of(rolled_out, "web")) == 2


async def test_a_deleted_namespace_takes_its_contents_and_then_goes(cluster):
    cluster.apply(deployment(namespace="team"))
    await cluster.wait_for(done("Deployment", "web", "team"))

    cluster.delete("Namespace", "", "team")

    await cluster.wait_for(lambda cluster: cluster.get("Namespace", "", "team") is None)
    assert cluster.list("Pod", "team") == cluster.list("Secret", "team") == []
