import re

import pytest

from sandbox.cluster import Verdict
from tests.sandbox.cluster.conftest import deployment, done, is_ready, marked, pods_of, secret, workload

finished = done("Deployment", "web")


def with_env(env=None, env_from=None, volumes=None):
    body = deployment()
    container = body["spec"]["template"]["spec"]["containers"][0]
    container["env"], container["envFrom"] = env or [], env_from or []
    body["spec"]["template"]["spec"]["volumes"] = volumes or []
    return body


def from_key(name, key, kind="secretKeyRef", **rest):
    return {"name": "token", "valueFrom": {kind: {"name": name, "key": key, **rest}}}


def state(cluster):
    """Return the waiting reason of the only pod, or None."""
    for pod in pods_of(cluster, "web"):
        for container in pod["status"].get("containerStatuses", []):
            return container["state"].get("waiting", {}).get("reason")
    return None


def restarts(cluster):
    return [one["status"]["containerStatuses"][0]["restartCount"] for one in pods_of(cluster, "web")]


async def test_the_environment_comes_from_values_secrets_and_config_maps(cluster, program):
    cluster.apply(secret(a="1", b="2"))
    cluster.apply({"kind": "ConfigMap", "metadata": {"name": "plain"}, "data": {"c": "3", "d": "4"}})
    env = [{"name": "plain", "value": "x"}, from_key("settings", "a"), {"name": "b", "value": "own"}]
    env.append({"name": "c2", "valueFrom": {"configMapKeyRef": {"name": "plain", "key": "c"}}})
    sources = [{"secretRef": {"name": "settings"}}, {"configMapRef": {"name": "plain"}, "prefix": "P_"}]

    cluster.apply(with_env(env, sources))
    await cluster.wait_for(finished)

    (running,) = program.running.values()
    assert running == {"a": "1", "b": "own", "P_c": "3", "P_d": "4", "plain": "x", "token": "1", "c2": "3"}


async def test_a_changed_secret_reaches_only_pods_that_start_later(cluster, program):
    cluster.apply(secret(a="old"))
    cluster.apply(deployment())
    await cluster.wait_for(finished)

    cluster.apply(secret(a="new"))
    assert [env["a"] for env in program.running.values()] == ["old"]
    cluster.patch("Deployment", "default", "web", marked("2"))
    await cluster.wait_for(finished)

    assert [env["a"] for env in program.running.values()] == ["new"]


async def test_a_restarted_container_reads_its_environment_again(cluster, program):
    cluster.apply(secret(a="old"))
    cluster.apply(deployment())
    await cluster.wait_for(finished)
    cluster.apply(secret(a="new"))
    (pod,) = pods_of(cluster, "web")

    cluster.restart("default", pod["metadata"]["name"])
    await cluster.wait_for(lambda cluster: restarts(cluster) == [1] and finished(cluster))

    assert [env["a"] for env in program.running.values()] == ["new"]


@pytest.mark.parametrize("kind", ["secretKeyRef", "configMapKeyRef"])
async def test_a_missing_object_or_key_holds_the_container_until_it_is_there(cluster, program, kind):
    made = {"secretKeyRef": "Secret", "configMapKeyRef": "ConfigMap"}[kind]
    cluster.apply(with_env([from_key("late", "k", kind)]))
    await cluster.wait_for(lambda cluster: state(cluster) == "CreateContainerConfigError")
    cluster.apply({"kind": made, "metadata": {"name": "late"}, "data": {"other": "dg=="}})
    await cluster.wait_for(lambda cluster: "couldn't find key k" in str(pods_of(cluster, "web")))
    assert program.starts == []

    cluster.patch(made, "default", "late", {"data": {"k": "dg=="}})

    await cluster.wait_for(finished)


async def test_what_is_optional_may_be_missing(cluster, program):
    env = [from_key("none", "k", optional=True)]
    cluster.apply(with_env(env, [{"secretRef": {"name": "none", "optional": True}}]))

    await cluster.wait_for(finished)

    assert list(program.running.values()) == [{}]


async def test_a_missing_volume_keeps_the_pod_creating(cluster):
    cluster.apply(with_env(volumes=[{"name": "v", "secret": {"secretName": "late"}}]))
    await cluster.wait_for(lambda cluster: state(cluster) == "ContainerCreating")
    await cluster.wait_for(
        lambda cluster: any(event["reason"] == "FailedMount" for event in cluster.list("Event"))
    )

    cluster.apply(secret("late", k="v"))

    await cluster.wait_for(finished)


async def test_a_crashing_program_is_restarted_with_the_current_secret(cluster, program):
    program.verdict = lambda env: Verdict.READY if env.get("a") == "good" else Verdict.CRASH
    cluster.apply(secret(a="bad"))
    cluster.apply(deployment())
    await cluster.wait_for(lambda cluster: state(cluster) == "CrashLoopBackOff")
    assert program.running == {}

    cluster.apply(secret(a="good"))
    await cluster.wait_for(finished)

    assert restarts(cluster)[0] >= 1
    assert (
        pods_of(cluster, "web")[0]["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"]
        == 1
    )


async def test_a_program_that_is_never_ready_runs_but_is_not_ready(cluster, program):
    program.verdict = lambda _: Verdict.NEVER_READY
    cluster.apply(deployment())

    await cluster.wait_for(
        lambda cluster: any(event["reason"] == "Started" for event in cluster.list("Event"))
    )

    (pod,) = pods_of(cluster, "web")
    assert (pod["status"]["phase"], is_ready(pod)) == ("Running", False)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("crash-loop", "CrashLoopBackOff"), ("image-pull", "ImagePullBackOff"), ("hang", "ContainerCreating")],
)
@pytest.mark.parametrize("how", ["annotation", "workload"])
async def test_pods_have_the_fault_that_is_set(cluster, program, fault, reason, how):
    body = deployment()
    if how == "annotation":
        body["spec"]["template"]["metadata"]["annotations"]["sandbox/pod-fault"] = fault
    else:
        cluster.set_pod_fault("default", "web", fault)

    cluster.apply(body)

    await cluster.wait_for(lambda cluster: state(cluster) == reason)
    assert program.starts == []


async def test_an_unknown_fault_is_refused(cluster):
    with pytest.raises(ValueError, match=r"fault must be one of .*; 'ill' is not"):
        cluster.set_pod_fault("default", "web", "ill")


async def test_an_image_pull_succeeds_by_itself_once_its_fault_is_removed(cluster):
    cluster.set_pod_fault("default", "web", "image-pull")
    cluster.apply(deployment())
    await cluster.wait_for(lambda cluster: state(cluster) == "ImagePullBackOff")

    cluster.set_pod_fault("default", "web", None)

    await cluster.wait_for(finished)


async def test_a_ready_pod_has_the_whole_status(cluster):
    cluster.apply(deployment())
    await cluster.wait_for(finished)

    (pod,) = pods_of(cluster, "web")
    container = pod["status"]["containerStatuses"][0]
    kinds = {one["type"] for one in pod["status"]["conditions"]}
    assert {"PodScheduled", "Initialized", "ContainersReady", "Ready"} <= kinds
    assert all(one["lastTransitionTime"] for one in pod["status"]["conditions"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", container["state"]["running"]["startedAt"])
    assert (container["ready"], container["started"], container["restartCount"]) == (True, True, 0)
    assert container["containerID"].startswith("sandbox://")
    assert pod["status"]["podIP"] != pod["status"]["hostIP"]
    assert pod["spec"]["nodeName"] == "node-0"


async def test_a_deleted_pod_terminates_before_it_is_gone(cluster, program):
    cluster.apply(deployment())
    await cluster.wait_for(finished)
    (pod,) = pods_of(cluster, "web")
    name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]

    cluster.delete("Pod", "default", name)

    assert cluster.get("Pod", "default", name)["metadata"]["deletionTimestamp"]
    assert uid in program.running
    await cluster.wait_for(lambda cluster: cluster.get("Pod", "default", name) is None)
    assert uid not in program.running


async def test_a_pod_deleted_without_grace_is_gone_at_once(cluster, api):
    cluster.apply(workload("StatefulSet", "db"))
    await cluster.wait_for(done("StatefulSet", "db"))
    before = cluster.get("Pod", "default", "db-0")["metadata"]["uid"]

    await api("DELETE", "/api/v1/namespaces/default/pods/db-0", {"gracePeriodSeconds": 0})
    await cluster.wait_for(done("StatefulSet", "db"))

    assert cluster.get("Pod", "default", "db-0")["metadata"]["uid"] != before


async def test_no_object_shows_a_value_from_a_secret(cluster):
    cluster.apply(secret(a="very-private"))
    cluster.apply(with_env([from_key("settings", "a")]))
    await cluster.wait_for(finished)

    shown = [cluster.list(kind) for kind in ("Pod", "ReplicaSet", "Deployment", "Event")]

    assert "very-private" not in str(shown)


async def test_an_exception_of_a_program_is_raised(cluster, program):
    def defect(_):
        raise ZeroDivisionError

    program.verdict = defect
    cluster.apply(deployment())

    with pytest.raises(ZeroDivisionError):
        await cluster.wait_for(finished)
    cluster._failures.clear()  # leaving the cluster would raise it again


async def test_waiting_ends_at_the_timeout(cluster):
    with pytest.raises(TimeoutError):
        await cluster.wait_for(lambda _: False, timeout=0.01)
