"""What is rendered is valid for Kubernetes, keeps to "restricted", and belongs together."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from rotator.core.records import Reason
from rotator.telemetry.metrics import RESULTS, Metrics
from tests.chart.conftest import values
from tests.chart.helm import CHART, CI, ROOT, Helm, the

pytestmark = pytest.mark.chart

SUPPORTED = ("1.35.0", "1.36.0", "1.37.0")
CUSTOM = {"HTTPRoute", "ServiceMonitor", "PodMonitor", "PrometheusRule"}
"""Kinds of which kubernetes-validate has no schema."""
NAMESPACED = {"Role", "RoleBinding"}
every = pytest.mark.parametrize("example", CI, ids=lambda p: p.stem)


@every
@pytest.mark.parametrize("version", SUPPORTED)
def test_every_manifest_is_valid(helm: Helm, example: Path, version: str) -> None:
    if os.environ.get("CI") != "true":
        pytest.importorskip("kubernetes_validate")
    import kubernetes_validate

    known = [m for m in helm.render(example) if m["kind"] not in CUSTOM]
    for manifest in known:
        kubernetes_validate.validate(manifest, version, strict=True)
    assert len(known) >= 7


@every
def test_helm_finds_nothing_to_complain_about(helm: Helm, example: Path) -> None:
    assert "0 chart(s) failed" in helm.run("lint", "--strict", values=example)


def pods(manifests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the specs of the service's pod and of the test's pod."""
    (test,) = [m for m in manifests if m["kind"] == "Pod"]
    return [the_deployment(manifests)["spec"]["template"]["spec"], test["spec"]]


def the_deployment(manifests: list[dict[str, Any]]) -> dict[str, Any]:
    (found,) = [m for m in manifests if m["kind"] == "Deployment"]
    return found


@every
def test_pods_keep_to_the_restricted_standard_and_write_nowhere(helm: Helm, example: Path) -> None:
    """Source: Kubernetes, "Pod Security Standards", the profile Restricted."""
    for spec in pods(helm.render(example)):
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] >= 1000
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        for container in [*spec["containers"], *spec.get("initContainers", [])]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert "hostPort" not in str(container)
        ours = [c for c in spec["containers"] if c["name"] in {"rotator", "ready", "status"}]
        assert ours
        for container in ours:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert {next(iter(set(v) - {"name"})) for v in spec["volumes"]} <= {"configMap", "secret"}


@every
def test_everything_that_selects_pods_selects_the_services_pods_only(helm: Helm, example: Path) -> None:
    manifests = helm.render(example)
    deployment = the_deployment(manifests)
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    (test,) = [m["metadata"]["labels"] for m in manifests if m["kind"] == "Pod"]
    selectors = [deployment["spec"]["selector"]["matchLabels"]]
    selectors += [m["spec"]["selector"] for m in manifests if m["kind"] == "Service"]
    selectors += [
        m["spec"]["selector"]["matchLabels"]
        for m in manifests
        if m["kind"] in {"PodDisruptionBudget", "PodMonitor"}
    ]
    for selector in selectors:
        assert selector.items() <= labels.items()
        assert not selector.items() <= test.items(), "the test's pod is none of them"


@every
def test_all_objects_are_of_the_release_and_only_rbac_is_elsewhere(helm: Helm, example: Path) -> None:
    for manifest in helm.render(example):
        if manifest["metadata"]["name"].endswith(("proxy", "-more")):
            continue  # the example's own objects
        assert manifest["metadata"]["labels"]["app.kubernetes.io/instance"] == "tokens"
        assert manifest["metadata"]["namespace"] == "rotator" or manifest["kind"] in NAMESPACED
        assert not manifest["kind"].startswith("Cluster")


def test_probes_are_on_the_internal_port_and_the_pod_knows_its_name(helm: Helm, least: Any) -> None:
    (container,) = pods(helm.render(least))[0]["containers"]
    probes = [container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")]
    assert [(p["path"], p["port"]) for p in probes] == [
        ("/healthz", "internal"),
        ("/healthz", "internal"),
        ("/readyz", "internal"),
    ]
    for variable, path in (("POD_NAME", "name"), ("POD_NAMESPACE", "namespace"), ("POD_UID", "uid")):
        field = {"fieldRef": {"fieldPath": f"metadata.{path}"}}
        assert {"name": variable, "valueFrom": field} in container["env"]
    assert pods(helm.render(least))[0]["terminationGracePeriodSeconds"] == 30


def test_the_account_and_the_pod_carry_workload_identity(helm: Helm) -> None:
    manifests = helm.render(values("everything"))
    account = the(manifests, "ServiceAccount", "token-rotator")["metadata"]
    assert (
        account["annotations"]["azure.workload.identity/client-id"] == "00000000-0000-0000-0000-00000000c11d"
    )
    assert (
        account["annotations"]["azure.workload.identity/tenant-id"] == "00000000-0000-0000-0000-000000007e1d"
    )
    assert account["annotations"]["example.com/owner"] == "platform"
    template = the_deployment(manifests)["spec"]["template"]
    for labels in (account["labels"], template["metadata"]["labels"]):
        assert labels["azure.workload.identity/use"] == "true"
    assert {p["serviceAccountName"] for p in pods(manifests)} == {"token-rotator"}


def test_without_workload_identity_nothing_of_it_is_there(helm: Helm, least: Any) -> None:
    least["workloadIdentity"] = {"enabled": False}
    assert "azure.workload.identity" not in yaml.safe_dump_all(helm.render(least))


def test_one_replica_has_no_budget_and_several_are_spread(helm: Helm, least: Any) -> None:
    two = helm.render(least)
    assert the_deployment(two)["spec"]["replicas"] == 2
    least["replicas"] = 1
    one = helm.render(least)
    assert "PodDisruptionBudget" not in {m["kind"] for m in one}
    assert not {"affinity", "topologySpreadConstraints"} & set(pods(one)[0])
    assert the(two, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    assert {"affinity", "topologySpreadConstraints"} <= set(pods(two)[0])


def test_the_public_port_alone_is_routed_and_for_events_only(helm: Helm) -> None:
    manifests = helm.render(values("everything"))
    public = the(manifests, "Service")["spec"]
    assert [p["targetPort"] for p in public["ports"]] == ["webhook"] and public["type"] == "LoadBalancer"
    internal = the(manifests, "Service", "tokens-apim-token-rotator-internal")["spec"]
    assert [p["targetPort"] for p in internal["ports"]] == ["internal"] and internal["type"] == "ClusterIP"
    (rule,) = the(manifests, "Ingress")["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert (path["path"], path["pathType"]) == ("/events", "Exact")
    assert path["backend"]["service"] == {"name": "tokens-apim-token-rotator", "port": {"name": "webhook"}}
    (route,) = the(manifests, "HTTPRoute")["spec"]["rules"]
    assert [(m["path"], m["method"]) for m in route["matches"]] == [
        ({"type": "Exact", "value": "/events"}, method) for method in ("POST", "OPTIONS")
    ]
    assert route["backendRefs"] == [{"name": "tokens-apim-token-rotator", "port": 8000}]


def test_without_a_webhook_there_is_no_public_service(helm: Helm, least: Any) -> None:
    services = [m["metadata"]["name"] for m in helm.render(least) if m["kind"] == "Service"]
    assert services == ["tokens-apim-token-rotator-internal"]


def test_the_network_policy_keeps_the_internal_port_from_those_who_deliver(helm: Helm) -> None:
    policy = the(helm.render(values("everything")), "NetworkPolicy")["spec"]
    internal, webhook = policy["ingress"]
    assert [p["port"] for p in internal["ports"]] == ["internal"] and len(internal["from"]) == 2
    assert [p["port"] for p in webhook["ports"]] == ["webhook"]
    assert "ingress" in str(webhook["from"]) and "ingress" not in str(internal["from"])
    assert {p["port"] for rule in policy["egress"] for p in rule["ports"]} == {53, 443, 6443, 9000, 8443}


def test_the_alerts_are_those_of_the_documentation(helm: Helm) -> None:
    page = (ROOT / "docs/operations.md").read_text()
    documented = yaml.safe_load(re.search(r"```yaml\n(groups:.*?)```", page, re.DOTALL)[1])  # type: ignore[index]
    assert the(helm.render(values("everything")), "PrometheusRule")["spec"] == documented


def test_every_metric_that_an_alert_asks_for_exists() -> None:
    """With every label that it is asked for, and every word of a closed set."""
    text = Metrics(["oslo"]).render()[0].decode()
    known = set(re.findall(r"^# TYPE (rotator_\w+) ", text, re.MULTILINE))
    alerts = (CHART / "files" / "alerts.yaml").read_text()
    assert set(re.findall(r"\brotator_\w+", alerts)) <= known
    assert set(re.findall(r'result="([\w-]+)"', alerts)) <= set(RESULTS)
    assert set(re.findall(r'reason="(\w+)"', alerts)) <= {r.value for r in Reason}


def test_what_waits_for_its_window_fires_no_alert(helm: Helm) -> None:
    (group,) = the(helm.render(values("everything")), "PrometheusRule")["spec"]["groups"]
    rules = {rule["alert"]: rule["expr"] for rule in group["rules"]}
    for name in ("GatewayUnsettled", "GatewayNotProven"):
        assert rules[name].endswith(" unless rotator_gateway_held == 1")
    assert "held" not in rules["GatewayTokenRunsOut"], "nothing excuses an expiry"


def test_monitors_ask_the_internal_port(helm: Helm) -> None:
    manifests = helm.render(values("everything"))
    (endpoint,) = the(manifests, "ServiceMonitor")["spec"]["endpoints"]
    assert (endpoint["port"], endpoint["path"]) == ("internal", "/metrics")
    selector = the(manifests, "ServiceMonitor")["spec"]["selector"]["matchLabels"]
    selected = [
        m["metadata"]["name"]
        for m in manifests
        if m["kind"] == "Service" and selector.items() <= m["metadata"]["labels"].items()
    ]
    assert selected == ["tokens-apim-token-rotator-internal"]


def test_long_names_stay_valid(helm: Helm, least: Any) -> None:
    names = [m["metadata"]["name"] for m in helm.render(least, "r" * 53)]
    assert max(map(len, names)) <= 63


def test_the_version_of_chart_image_and_program_is_one() -> None:
    from rotator import __version__

    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == __version__
