"""The values are the configuration: what the ConfigMap holds is what the rotator reads."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rotator.config import PullSettings, WindowTable, load
from rotator.config.schema.defaults import PolicyTable
from rotator.config.schema.document import Document, Settings
from rotator.config.schema.entra import EntraSettings
from rotator.config.schema.gateways import GatewayTable
from rotator.config.schema.internal import InternalSettings
from rotator.config.schema.targets import TargetSettings
from rotator.config.schema.webhook import WebhookSettings
from tests.chart.conftest import values
from tests.chart.helm import CHART, ROOT, Helm, the

pytestmark = pytest.mark.chart


def settings(helm: Helm, chosen: dict[str, Any], directory: Path) -> Settings:
    """Return what the rotator reads from the rendered ConfigMap."""
    path = directory / "config.toml"
    path.write_text(the(helm.render(chosen), "ConfigMap")["data"]["config.toml"])
    return load(path, {})


def test_the_two_gateways_of_the_values_are_what_the_rotator_reads(
    helm: Helm, two: dict[str, Any], tmp_path: Path
) -> None:
    read = settings(helm, two, tmp_path)
    assert read.webhook.enabled and read.webhook.allow_unauthenticated
    assert read.webhook.max_body_bytes == 1048576
    assert read.rotation.max_concurrent_rotations == 4 and read.rotation.schedule_jitter == timedelta()
    oslo, bergen = read.gateways
    assert (oslo.name, oslo.policy.lifetime, oslo.policy.renew_before) == (
        "oslo",
        timedelta(days=29),
        timedelta(days=10),
    )
    assert (bergen.name, bergen.policy.lifetime, bergen.policy.max_unavailable_targets) == (
        "bergen",
        timedelta(days=20),
        2,
    )
    assert str(bergen.resource_id).endswith("/service/contoso/gateways/bergen")
    assert [(t.namespace, t.secret, t.key) for t in oslo.targets] == [
        ("apim-oslo", "apim-access-token", "config.service.auth.key"),
        ("apim-oslo-edge", "oslo-token", None),
    ]
    assert [str(w) for w in oslo.targets[0].workloads or ()] == ["deployment/apim-gateway"]
    assert oslo.targets[1].workloads is None
    assert [str(w) for w in bergen.targets[0].workloads or ()] == [
        "statefulset/bergen",
        "daemonset/bergen-edge",
    ]


def test_every_key_of_the_example_configuration_arrives_unchanged(
    helm: Helm, least: dict[str, Any], tmp_path: Path
) -> None:
    text = (ROOT / "config.example.toml").read_text().replace("# lease_namespace", "lease_namespace")
    (tmp_path / "example.toml").write_text(text)
    least["config"] = tomllib.loads(text)
    assert settings(helm, least, tmp_path) == load(tmp_path / "example.toml", {})


def test_what_is_hard_to_write_in_toml_arrives_unchanged(
    helm: Helm, least: dict[str, Any], tmp_path: Path
) -> None:
    odd = 'a "quoted" \\ back\nline <&> ünïcode {{ .Values }}'
    least["config"]["kubernetes"] = {"context": odd}
    assert settings(helm, least, tmp_path).kubernetes.context == odd


def test_the_schema_knows_exactly_the_keys_that_the_rotator_knows() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]["config"]["properties"]
    gateway = schema["gateways"]["items"]["properties"]
    assert set(schema) == set(Document.model_fields)
    for name in set(Document.model_fields) - {"gateways", "defaults", "pull"}:
        model = type(Document.model_fields[name].default)
        assert set(schema[name]["properties"]) == set(model.model_fields), name
    assert set(schema["pull"]["properties"]) == set(PullSettings.model_fields)
    assert set(schema["webhook"]["properties"]["entra"]["properties"]) == set(EntraSettings.model_fields)
    for policy in (schema["defaults"]["properties"], gateway):
        assert set(policy["windows"]["items"]["properties"]) == set(WindowTable.model_fields)
    assert set(schema["defaults"]["properties"]) == set(PolicyTable.model_fields)
    assert set(gateway) == set(GatewayTable.model_fields)
    assert set(gateway["targets"]["items"]["properties"]) == set(TargetSettings.model_fields)


def test_the_ports_of_a_pod_are_those_that_the_rotator_listens_on(helm: Helm, two: dict[str, Any]) -> None:
    def ports(chosen: dict[str, Any]) -> dict[str, int]:
        (container,) = the(helm.render(chosen), "Deployment")["spec"]["template"]["spec"]["containers"]
        return {p["name"]: p["containerPort"] for p in container["ports"]}

    built_in = {"webhook": WebhookSettings().listen.port, "internal": InternalSettings().listen.port}
    assert ports(two) == built_in
    two["config"]["webhook"]["listen"] = "0.0.0.0:8443"
    two["config"]["internal"] = {"listen": "[::]:9191"}
    assert ports(two) == {"webhook": 8443, "internal": 9191}
    two["config"]["webhook"]["enabled"] = False
    assert ports(two) == {"internal": 9191}


def test_a_webhook_that_is_not_mentioned_is_what_the_rotator_takes_it_for(
    helm: Helm, two: dict[str, Any], tmp_path: Path
) -> None:
    """null takes the chart's own default out, so that the rotator's counts."""
    two["config"]["webhook"]["enabled"] = None
    assert settings(helm, two, tmp_path).webhook.enabled
    assert the(helm.render(two), "Service")["spec"]["ports"][0]["targetPort"] == "webhook"


def test_no_changed_configuration_restarts_the_pods_which_read_it_again(
    helm: Helm, least: dict[str, Any]
) -> None:
    def rendered() -> tuple[Any, str]:
        manifests = helm.render(least)
        text = the(manifests, "ConfigMap")["data"]["config.toml"]
        return the(manifests, "Deployment")["spec"]["template"], text

    (before, old) = rendered()
    least["config"]["defaults"] = {"renew_before": "9d", "freeze": True}
    least["config"]["pull"] = {"endpoint": "https://x.example", "topic": "t", "subscription": "s"}
    least["config"]["gateways"][0]["targets"][0]["secret"] = "another"
    after, new = rendered()
    assert old != new and after == before


def test_mounted_secrets_are_where_the_configuration_looks_for_them(
    helm: Helm, least: dict[str, Any], tmp_path: Path
) -> None:
    least["kubeconfig"] = {"existingSecret": "others"}
    least["webhook"] = {"auth": {"existingSecret": "event-grid", "key": "shared"}}
    least["config"]["webhook"] = {"enabled": True}
    least["config"]["gateways"][0]["targets"].append(
        {"context": "cluster-west", "namespace": "apim", "secret": "apim-access-token"}
    )
    read = settings(helm, least, tmp_path)
    assert read.kubernetes.context == "in-cluster"
    pod = the(helm.render(least), "Deployment")["spec"]["template"]["spec"]
    mounts = {m["mountPath"]: m["name"] for m in pod["containers"][0]["volumeMounts"]}
    assert all("subPath" not in m for m in pod["containers"][0]["volumeMounts"]), "those are never updated"
    volumes = {v["name"]: v.get("secret", {}).get("secretName") for v in pod["volumes"]}
    for path, secret, key in (
        (read.kubernetes.kubeconfig, "others", "kubeconfig"),
        (read.webhook.secret_file, "event-grid", "shared"),
    ):
        assert path and path.name == key and volumes[mounts[str(path.parent)]] == secret


def test_what_the_configuration_says_itself_wins_over_what_the_chart_adds(
    helm: Helm, least: dict[str, Any], tmp_path: Path
) -> None:
    least["kubeconfig"] = {"existingSecret": "others"}
    least["config"]["kubernetes"] = {"context": "cluster-west", "kubeconfig": "/a/file"}
    read = settings(helm, least, tmp_path).kubernetes
    assert (read.context, read.kubeconfig) == ("cluster-west", Path("/a/file"))


def test_the_leases_are_where_the_release_is_whatever_the_targets_are(
    helm: Helm, two: dict[str, Any], tmp_path: Path
) -> None:
    """Every process that reads the ConfigMap's configuration, on a laptop or after a reload, finds the same Leases."""
    two["kubeconfig"] = {"existingSecret": "others"}
    oslo = two["config"]["gateways"][0]
    assert settings(helm, two, tmp_path).kubernetes.lease_namespace == "rotator"
    oslo["targets"][0]["namespace"] = "moved"
    assert settings(helm, two, tmp_path).kubernetes.lease_namespace == "rotator"
    oslo["targets"] = [{"context": "west", "namespace": "apim", "secret": "token"}]
    assert settings(helm, two, tmp_path).kubernetes.lease_namespace == "rotator"
    two["config"]["kubernetes"] = {"lease_namespace": "leases"}
    assert settings(helm, two, tmp_path).kubernetes.lease_namespace == "leases"


def test_tables_within_tables_arrive(helm: Helm, tmp_path: Path) -> None:
    read = settings(helm, values("everything"), tmp_path)
    assert read.webhook.entra and read.webhook.entra.audiences == ("api://apim-token-rotator",)
    assert read.pull and read.pull.topic == "gateway-tokens"
    (oslo,) = read.gateways
    assert [str(w.zone) for w in oslo.calendar.windows] == ["Europe/Oslo", "UTC"]
    assert oslo.calendar.freeze == datetime(2027, 1, 2, 7, tzinfo=UTC)
    assert oslo.targets[-1].place == "cluster-west:apim-west/apim-access-token"
