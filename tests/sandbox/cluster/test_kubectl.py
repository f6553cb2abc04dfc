"""The real kubectl against the simulated cluster."""

import json
from importlib import resources

import pytest

from tests.sandbox.cluster.conftest import deployment, done, marked, secret

HOW_TO = resources.files("sandbox") / "manifests" / "how-to.yaml"


@pytest.fixture
async def running(cluster):
    cluster.apply(secret(k="v"))
    cluster.apply(deployment(replicas=2))
    await cluster.wait_for(done("Deployment", "web"))
    return cluster


async def test_get_prints_the_usual_columns(running, kubectl):
    code, out, err = await kubectl("get", "deploy,rs,pods,secrets", "-A")

    lines = [line.split() for line in out.splitlines()]
    assert code == 0, err
    assert ["NAMESPACE", "NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"] in lines
    assert ["NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "AGE"] in lines
    assert ["default", "deployment.apps/web", "2/2", "2", "2"] in [line[:5] for line in lines]
    assert ["default", "secret/settings", "Opaque", "1"] in [line[:4] for line in lines]
    assert sum(line[2:4] == ["1/1", "Running"] for line in lines) == 2


async def test_describe_shows_conditions_and_events(running, kubectl):
    code, out, err = await kubectl("describe", "deployment", "web")

    assert code == 0, err
    assert "2 desired | 2 updated | 2 total | 2 available | 0 unavailable" in out
    assert "NewReplicaSetAvailable" in out
    assert "ScalingReplicaSet" in out
    _, pods, _ = await kubectl("describe", "pods", "-l", "app=web")
    assert pods.count("Scheduled") >= 2


async def test_rollout_status_waits_until_the_rollout_is_done(running, kubectl):
    running.patch("Deployment", "default", "web", marked("2"))

    code, out, err = await kubectl("rollout", "status", "deployment/web", "--timeout=20s")

    assert code == 0, err
    assert 'deployment "web" successfully rolled out' in out


async def test_rollout_status_reports_a_missed_deadline(running, kubectl):
    running.set_pod_fault("default", "web", "crash-loop")
    running.patch("Deployment", "default", "web", marked("2") | {"metadata": {"labels": {"x": "y"}}})
    running.patch("Deployment", "default", "web", {"spec": {"progressDeadlineSeconds": 1}})

    code, _, err = await kubectl("rollout", "status", "deployment/web", "--timeout=20s")

    assert code == 1
    assert 'error: deployment "web" exceeded its progress deadline' in err


async def test_rollout_restart_history_and_undo(running, kubectl):
    assert (await kubectl("rollout", "restart", "deployment/web"))[0] == 0
    assert (await kubectl("rollout", "status", "deployment/web", "--timeout=20s"))[0] == 0
    _, history, _ = await kubectl("rollout", "history", "deployment/web")
    assert [line.split()[0] for line in history.splitlines()[2:] if line] == ["1", "2"]

    assert (await kubectl("rollout", "undo", "deployment/web"))[0] == 0

    await running.wait_for(done("Deployment", "web"))
    template = running.get("Deployment", "default", "web")["spec"]["template"]
    assert template["metadata"]["annotations"] == {"mark": "1"}


async def test_the_vendors_patch_of_the_secret_works(running, kubectl):
    patch = json.dumps({"data": {"k": "bmV3"}})

    code, out, err = await kubectl("patch", "secret", "settings", "-p", patch, "--type=merge")

    assert (code, out.strip()) == (0, "secret/settings patched"), err
    assert running.get("Secret", "default", "settings")["data"] == {"k": "bmV3"}


@pytest.mark.parametrize("flags", [(), ("--server-side",)])
async def test_apply_creates_and_then_finds_nothing_to_do(cluster, kubectl, flags):
    cluster.apply({"kind": "Namespace", "metadata": {"name": "apim"}})
    text = HOW_TO.read_text()
    for name in ("namespace-name", "gateway-name", "service-name", "configuration-token"):
        text = text.replace(f"<{name}>", "apim")

    first = await kubectl("apply", *flags, "-f", "-", text=text)
    await cluster.wait_for(done("Deployment", "apim-gateway", "apim"))
    second = await kubectl("apply", *flags, "-f", "-", text=text)

    assert first[0] == second[0] == 0, first[2] + second[2]
    assert cluster.get("Deployment", "apim", "apim-gateway")["metadata"]["generation"] == 1
    if not flags:
        assert "deployment.apps/apim-gateway created" in first[1]
        assert "deployment.apps/apim-gateway unchanged" in second[1]
        last_applied = "kubectl.kubernetes.io/last-applied-configuration"
        assert last_applied in cluster.get("Secret", "apim", "apim-access-token")["metadata"]["annotations"]


async def test_apply_of_a_changed_file_changes_the_workload(cluster, kubectl):
    body = deployment() | {"apiVersion": "apps/v1"}
    await kubectl("apply", "-f", "-", text=json.dumps(body))
    body["spec"]["template"]["spec"]["containers"][0]["image"] = "gateway:v3"
    body["spec"]["template"]["spec"]["containers"][0].pop("envFrom")

    code, out, err = await kubectl("apply", "-f", "-", text=json.dumps(body))

    container = cluster.get("Deployment", "default", "web")["spec"]["template"]["spec"]["containers"][0]
    assert (code, out.strip()) == (0, "deployment.apps/web configured"), err
    assert (container["image"], "envFrom" in container) == ("gateway:v3", False)


async def test_delete_waits_until_the_pod_is_gone(running, kubectl):
    name = running.list("Pod", "default")[0]["metadata"]["name"]

    code, out, err = await kubectl("delete", "pod", name, "--timeout=20s")

    assert code == 0, err
    assert f'pod "{name}" deleted' in out
    assert running.get("Pod", "default", name) is None


async def test_logs_and_a_wrong_name_are_answered(running, kubectl):
    name = running.list("Pod", "default")[0]["metadata"]["name"]

    assert "no logs" in (await kubectl("logs", name))[1]
    code, _, err = await kubectl("get", "secret", "none")
    assert (code, err.strip()) == (1, 'Error from server (NotFound): secrets "none" not found')


async def test_create_secret_is_refused_as_by_kubernetes_and_its_manifest_can_be_applied(cluster, kubectl):
    """kubectl 1.32.4 sends built-in kinds as protobuf and never falls back to JSON. It sends manifests as JSON."""
    words = ("create", "secret", "generic", "s1", "-n", "default", "--from-literal=a=b")
    code, _, err = await kubectl(*words)
    assert code == 1 and err.endswith("accepted media types include: application/json, application/yaml\n")

    _, manifest, _ = await kubectl(*words, "--dry-run=client", "-o", "yaml")
    assert (await kubectl("apply", "-f", "-", text=manifest))[0] == 0
    assert cluster.get("Secret", "default", "s1")["data"] == {"a": "Yg=="}
