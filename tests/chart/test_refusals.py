"""Bad values are refused before anything is installed, with a message that names the value."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chart.helm import Helm

pytestmark = pytest.mark.chart

PASTED = "gw1&203001020304&poXhJRQjfN6awdKRJrV16u3BQd2Uawnd/12pGq4v9OLgF2Wi7Hd0i6iWImndLZPg2b9+422CLKyVqUKrfYGN2A=="
"""A token in the wrong line (an invented one)."""
BAD = [
    ("config.gateways", [], "config.gateways: is empty"),
    ("config.gateways.0.name", "Oslo", "config.gateways[0].name: is not a valid name"),
    ("config.gateways.0.name", "o" * 41, "config.gateways[0].name: is not a valid name"),
    ("config.gateways.0.resource_id", "/gateways/oslo", "config.gateways[0].resource_id: is not the ARM id"),
    ("config.gateways.0.token_lifetime", "soon", "config.gateways[0].token_lifetime: is not a duration"),
    ("config.gateways.0.targets.0.namespace", "a/b", "config.gateways[0].targets[0].namespace: is not a"),
    ("config.gateways.0.targets.0.secret", PASTED, "config.gateways[0].targets[0].secret: is not a"),
    ("config.gateways.0.targets.0.key", "a key", "config.gateways[0].targets[0].key: is not a key"),
    (
        "config.gateways.0.targets.0.workloads",
        ["deployment/a", "pod/b"],
        "config.gateways[0].targets[0].workloads[1]: is not a workload",
    ),
    ("config.gateways.0.targets.0.workloads", ["deployment"], "workloads[0]: is not a workload"),
    ("config.kubernetes", {"lease_namespace": "A"}, "config.kubernetes.lease_namespace: is not a"),
    ("config.kubernetes", {"lease_duration": "30"}, "config.kubernetes.lease_duration: is not a duration"),
    ("config.defaults", {"renew_before": "10 days"}, "config.defaults.renew_before: is not a duration"),
    ("config.rotation", {"schedule_jitter": "-1m"}, "config.rotation.schedule_jitter: is not a duration"),
    (
        "config.webhook",
        {"enabled": True},
        "config.webhook.enabled: the configuration does not say who may deliver",
    ),
    (
        "config.webhook",
        {"enabled": True, "secret_file": "/x", "allow_unauthenticated": True},
        "config.webhook.allow_unauthenticated: would accept every client",
    ),
    ("config.webhook", {"entra": {"tenant_id": "x"}}, "audiences"),
    ("config.pull", {"topic": "t"}, "config.pull.endpoint: is missing"),
    ("config.pull", {"max_wait": "soon"}, "config.pull.max_wait: is not a duration"),
    ("config.pull", {"max_events": 101}, "/config/pull/max_events"),
    ("config.defaults", {"freeze": "2027-01-02"}, "config.defaults.freeze: is not a time with a zone"),
    (
        "config.defaults",
        {"windows": [{"cron": "@daily", "duration": "4h"}]},
        "config.defaults.windows[0].cron: is not a cron expression",
    ),
    (
        "config.gateways.0.windows",
        [{"cron": "0 1 * * *", "duration": "4"}],
        "config.gateways[0].windows[0].duration: is not a duration",
    ),
    ("config.gateways.0.windows", [{"cron": "0 1 * * *"}], "duration"),
    (
        "config.gateways.0.targets.0.context",
        "west",
        "config.gateways[0].targets[0].context: no kubeconfig is configured that could contain it",
    ),
    ("rbac.elsewhere", {"context": "west"}, "rbac.elsewhere.subjects: is empty"),
    ("webhook.auth.secret", "hush", "'secret'"),
    ("config.internal", {"listen": "127.0.0.1:9090"}, "config.internal.listen: cannot be reached"),
    ("config.internal", {"listen": "0.0.0.0:0"}, "config.internal.listen: is not an address"),
    ("config.internal", {"listen": "0.0.0.0:99999"}, "config.internal.listen: is not an address"),
    ("image.repository", "", "image.repository: is empty"),
    ("image", {"repository": "x", "digest": "sha256:1"}, "image.digest: is not a digest"),
    ("workloadIdentity.clientId", "", "workloadIdentity.clientId: is empty"),
    ("workloadIdentity.clientId", "<client id>", "workloadIdentity.clientId: is not a GUID"),
    ("config.azure", {"tenant_id": "contoso"}, "config.azure.tenant_id: is not a GUID"),
    (
        "config.webhook",
        {"entra": {"tenant_id": "x", "audiences": ["a"]}},
        "config.webhook.entra.tenant_id: is not a GUID",
    ),
    ("ingress", {"enabled": True, "hosts": ["x"]}, "ingress.enabled: the webhook is off"),
    ("httpRoute", {"enabled": True}, "httpRoute.parentRefs: is empty"),
    ("config.gateways.0.targets", [], "/config/gateways/0/targets"),
    ("config.gateways.0.targts", [], "'targts'"),
    ("config.gateways.0.revoke", "always", "/config/gateways/0/revoke"),
    ("config.webhook", {"allow_everybody": True}, "'allow_everybody'"),
    ("config.log", {"level": "loud"}, "'debug', 'info', 'warning', 'error'"),
    ("config.rotation", {"max_concurrent_rotations": 1.5}, "/config/rotation/max_concurrent_rotations"),
    ("replicas", "two", "/replicas"),
    ("replicas", 0, "/replicas"),
    ("replica", 2, "'replica'"),
    ("service.type", "External", "/service/type"),
    ("terminationGracePeriodSeconds", 5, "/terminationGracePeriodSeconds"),
]


def put(values: Any, path: str, value: object) -> None:
    *parents, last = path.split(".")
    for part in parents:
        values = values[int(part)] if part.isdigit() else values.setdefault(part, {})
    values[last] = value


@pytest.mark.parametrize(("path", "value", "said"), BAD, ids=lambda x: str(x)[:40])
def test_a_bad_value_is_refused_by_name(
    helm: Helm, least: dict[str, Any], path: str, value: object, said: str
) -> None:
    put(least, path, value)
    refusal = helm.refusal(least)
    assert said in refusal
    assert PASTED not in refusal, "what was written is not quoted"


def test_all_errors_are_told_at_once(helm: Helm, two: dict[str, Any]) -> None:
    bergen = two["config"]["gateways"][1]
    bergen["name"] = "oslo"
    bergen["targets"][0]["namespace"] = "apim-oslo"
    two["config"]["internal"] = {"listen": "0.0.0.0:8080"}
    refusal = helm.refusal(two)
    assert "the values have 3 error(s)" in refusal
    assert "config.gateways[1].name: is config.gateways[0].name already" in refusal
    assert "config.gateways[1].targets[0].secret: is config.gateways[0].targets[0].secret already" in refusal
    assert "config.internal.listen: is the webhook's port" in refusal


def test_the_same_gateway_in_other_letters_is_the_same_gateway(helm: Helm, two: dict[str, Any]) -> None:
    oslo, bergen = two["config"]["gateways"]
    bergen["resource_id"] = oslo["resource_id"].replace("/oslo", "/OSLO").replace("contoso", "Contoso")
    assert "config.gateways[1].resource_id: is config.gateways[0].resource_id already" in helm.refusal(two)
