"""The rendered Roles and what the service really asks for are the same: no call is refused, no right unused."""

from __future__ import annotations

import copy
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import yaml

from rotator.kube.client.paths import Access
from sandbox import Sandbox
from sandbox.fleet import Deployed
from sandbox.journal import Call
from tests.chart.helm import ROOT, Helm
from tests.process.process_env import WAIT_TIMEOUT, ProcessEnv

pytestmark = [pytest.mark.chart, pytest.mark.process]
SELDOM = {
    ("events", "patch"),
    *((f"{kind}s", verb) for kind in ("statefulset", "daemonset") for verb in ("watch", "patch")),
}
"""What bergen had no occasion for: it did not hang, and has a Deployment only."""
EVICTION = {("pods/eviction", "create"), ("pods", "delete")}
"""What an undisturbed rotation has no occasion for: see the test of eviction."""
RELEASE = "rotator"
"""The namespace that it is rendered for."""
WORDS = ("namespace", "group", "resource", "verb", "name")


class Installed(ProcessEnv):
    """Its Leases are where the chart has them."""

    def head(self) -> str:
        return super().head().replace("lease_duration =", f'lease_namespace = "{RELEASE}"\nlease_duration =')


@pytest.fixture
async def env(tmp_path: Path) -> AsyncIterator[Installed]:
    async with Sandbox(tmp_path, ready_delay=0.1, term_delay=0.05) as sandbox:
        account = {"name": "tokens-apim-token-rotator", "namespace": RELEASE}
        sandbox.cluster.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
        yield Installed(sandbox, tmp_path)


@dataclass(frozen=True, slots=True)
class Right:
    """One verb of one rule; name empty: whatever the name."""

    namespace: str
    group: str
    resource: str
    verb: str
    name: str

    def covers(self, need: Access) -> bool:
        same = all(getattr(self, word) == getattr(need, word) for word in WORDS[:-1])
        return same and self.name in {"", need.name}


def rights(manifests: list[dict[str, Any]]) -> list[Right]:
    """Return every single right that the Roles grant."""
    return [
        Right(role["metadata"]["namespace"], group, resource, verb, name)
        for role in manifests
        if role["kind"] == "Role"
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", [""])
    ]


def need(call: Call) -> Access:
    """Return what a call has to be allowed. A list or watch of one name counts as one of that name
    (source: Kubernetes, "Authorization Overview", field selectors; RequestInfoFactory).
    """
    query = parse_qs(call.query)
    access = Access.of(call.method, call.path, watching=query.get("watch") == ["true"])
    selected = re.fullmatch(r"metadata\.name=(\S+)", query.get("fieldSelector", [""])[0])
    name = selected[1] if selected else access.name
    return Access(access.verb, access.group, access.resource, access.namespace, name)


def values(least: dict[str, Any], places: dict[Deployed, list[str]], named: bool) -> dict[str, Any]:
    """Return values for gateways in these places, with or without their workloads by name."""
    least["config"]["gateways"] = [
        {
            "name": d.gateway.name,
            "resource_id": d.gateway.resource_id,
            "targets": [
                {"namespace": d.namespace, "secret": d.secret} | ({"workloads": workloads} if named else {})
            ],
        }
        for d, workloads in places.items()
    ]
    return least


def siblings(env: ProcessEnv, deployed: Deployed) -> list[str]:
    """Run a StatefulSet and a DaemonSet with the pod template of the Deployment; return all three."""
    name = deployed.workload.partition("/")[2]
    original = env.sandbox.cluster.get("Deployment", deployed.namespace, name)
    assert original
    for kind in ("StatefulSet", "DaemonSet"):
        labels = {"app": f"{name}-{kind.lower()}"}
        template = copy.deepcopy(original["spec"]["template"])
        template["metadata"]["labels"] = labels
        more = {"serviceName": name, "replicas": 1} if kind == "StatefulSet" else {}
        meta = {"name": labels["app"], "namespace": deployed.namespace}
        spec = {"selector": {"matchLabels": labels}, "template": template} | more
        env.sandbox.cluster.apply({"apiVersion": "apps/v1", "kind": kind, "metadata": meta, "spec": spec})
    return [deployed.workload, *(f"{k}/{name}-{k}" for k in ("statefulset", "daemonset"))]


@pytest.mark.parametrize("named", [True, False], ids=["named", "found"])
async def test_a_rotation_needs_exactly_the_rights_that_the_chart_grants(
    helm: Helm, env: ProcessEnv, least: dict[str, Any], named: bool
) -> None:
    """Two gateways rotate; one of them hangs for a while, so that an Event is counted up."""
    env.settings = 'rollout_timeout = "2s"\nrecheck = "1s"\nroll_back = false'
    oslo, bergen = await env.deploy("oslo", days=3), await env.deploy("bergen", "portal", days=3)
    places = {oslo: siblings(env, oslo), bergen: [bergen.workload]}
    if named:
        env.extra = {d.gateway.name: f"workloads = {workloads}" for d, workloads in places.items()}
    granted = rights(helm.render(values(least, places, named)))
    env.sandbox.cluster.set_pod_fault(oslo.namespace, oslo.workload.partition("/")[2], "crash-loop")
    async with env.daemon():
        await env.sandbox.cluster.wait_for(lambda _: counted_up(env, oslo), WAIT_TIMEOUT)
        env.sandbox.cluster.set_pod_fault(oslo.namespace, oslo.workload.partition("/")[2], None)
        await env.verified_at("oslo", 1)
        await env.verified_at("bergen", 1)
        code, _, err = await env.command("status")  # what `helm test` runs with the same account
    assert code == 0, err
    needs = {need(call) for call in env.sandbox.journal.calls("kubernetes")}
    assert {n for n in needs if not any(right.covers(n) for right in granted)} == set()
    unused = {right for right in granted if not any(right.covers(n) for n in needs)}
    at_oslo = {(right.resource, right.verb) for right in unused if right.namespace == oslo.namespace}
    assert at_oslo <= EVICTION
    at_release = {(right.resource, right.verb) for right in unused if right.namespace == RELEASE}
    assert at_release == {("events", "create"), ("events", "patch")}, "for trouble with its configuration"
    unused = {right for right in unused if right.namespace != RELEASE}
    assert {(right.resource, right.verb) for right in unused} <= SELDOM | EVICTION


def counted_up(env: ProcessEnv, deployed: Deployed) -> bool:
    return bool(env.sandbox.journal.calls("kubernetes", "PATCH", f"/{deployed.namespace}/events/"))


def test_what_is_promised_not_to_be_asked_for_is_not_asked_for(helm: Helm, two: dict[str, Any]) -> None:
    granted = rights(helm.render(two))
    assert {r.verb for r in granted if r.resource == "secrets"} == {"get", "patch"}
    assert all(r.name for r in granted if r.resource == "secrets")
    assert {r.resource for r in granted if r.verb == "create"} == {"leases", "events", "pods/eviction"}
    assert {(r.namespace, r.resource) for r in granted if r.verb == "delete"} == {
        ("apim-oslo", "pods"),
        ("apim-oslo-edge", "pods"),
    }, "bergen says replace_pods: false"
    assert {r.verb for r in granted} == {"get", "list", "watch", "patch", "create", "delete"}
    assert {r.namespace for r in granted} == {"apim-oslo", "apim-oslo-edge", "apim-bergen", "rotator"}
    assert {r.resource for r in granted if r.namespace == "rotator"} == {"leases", "events"}


@pytest.mark.parametrize("said", [None, "leases", "apim-oslo"])
def test_leases_are_granted_by_name_and_in_one_namespace_only(
    helm: Helm, two: dict[str, Any], said: str | None
) -> None:
    """The release's, if the values name none."""
    if said:
        two["config"]["kubernetes"] = {"lease_namespace": said}
    granted = rights(helm.render(two))
    assert {r.namespace for r in granted if r.resource == "leases"} == {said or RELEASE}
    names = {"apim-token-rotator-oslo", "apim-token-rotator-bergen"}
    assert {(r.verb, r.name) for r in granted if r.resource == "leases"} == {
        *((verb, name) for verb in ("get", "patch") for name in names),
        ("create", ""),
    }
    assert {r.resource for r in granted if r.namespace == "leases"} <= {"leases"}


def test_evictions_are_granted_only_where_pods_may_be_replaced(helm: Helm, two: dict[str, Any]) -> None:
    def namespaces() -> set[str]:
        return {r.namespace for r in rights(helm.render(two)) if (r.resource, r.verb) in EVICTION}

    _, bergen = two["config"]["gateways"]
    assert namespaces() == {"apim-oslo", "apim-oslo-edge"}
    two["config"]["defaults"]["replace_pods"] = False
    assert namespaces() == set()
    bergen["replace_pods"] = True
    assert namespaces() == {"apim-bergen"}


def elsewhere(helm: Helm, chosen: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what is to be applied in the other cluster."""
    path = helm.directory / "elsewhere.yaml"
    path.write_text(yaml.safe_dump(chosen))
    shown = helm.run("template", "tokens", "--show-only", "templates/elsewhere.yaml", values=path)
    return list(yaml.safe_load_all(shown))


def test_nothing_is_granted_here_for_targets_in_other_clusters(helm: Helm, two: dict[str, Any]) -> None:
    """What is needed there is what the same gateways would need here, but for the Leases."""
    here = [r for r in rights(helm.render(two)) if r.namespace == "apim-oslo-edge"]
    oslo, _ = two["config"]["gateways"]
    oslo["targets"][1]["context"] = "cluster-west"
    two["kubeconfig"] = {"existingSecret": "others"}
    account = {"kind": "User", "name": "token-rotator", "apiGroup": "rbac.authorization.k8s.io"}
    assert "apim-oslo-edge" not in {r.namespace for r in rights(helm.render(two))}

    two["rbac"] = {"elsewhere": {"context": "cluster-west", "subjects": [account]}}
    there = elsewhere(helm, two)
    assert [m["kind"] for m in there] == ["Role", "RoleBinding"]
    assert rights(there) == here
    assert there[1]["subjects"] == [account]


def test_namespaces_of_one_name_in_two_clusters_are_two(helm: Helm, two: dict[str, Any]) -> None:
    two["config"]["gateways"][0]["targets"][1] |= {"context": "cluster-west", "namespace": "apim-oslo"}
    two["kubeconfig"] = {"existingSecret": "others"}
    here = [r for r in rights(helm.render(two)) if r.namespace == "apim-oslo"]
    assert {r.name for r in here if r.resource == "secrets"} == {"apim-access-token"}
    assert {r.name for r in here if r.group == "apps"} == {"apim-gateway"}, "those over there are to be found"


def test_a_home_cluster_elsewhere_takes_the_leases_along(helm: Helm, two: dict[str, Any]) -> None:
    two["config"]["kubernetes"] = {"context": "cluster-west"}
    two["kubeconfig"] = {"existingSecret": "others"}
    assert {(r.namespace, r.resource) for r in rights(helm.render(two))} == {("rotator", "events")}
    two["config"]["gateways"][0]["targets"][0]["context"] = "in-cluster"
    granted = rights(helm.render(two))
    assert {r.namespace for r in granted} == {"apim-oslo", "rotator"}
    assert "leases" not in {r.resource for r in granted}

    two["rbac"] = {"elsewhere": {"context": "cluster-west", "subjects": [{"kind": "User", "name": "x"}]}}
    there = rights(elsewhere(helm, two))
    assert {r.namespace for r in there} == {"apim-oslo-edge", "apim-bergen", "rotator"}
    assert {r.namespace for r in there if r.resource == "leases"} == {"rotator"}
    assert {r.resource for r in there if r.namespace == "rotator"} == {"leases"}


def test_the_documented_rules_are_the_rendered_ones(helm: Helm, two: dict[str, Any]) -> None:
    page = (ROOT / "docs/install.md").read_text()
    shown = re.findall(r"```yaml\n# Role in namespace ([\w-]+)[^\n]*\n(.*?)```", page, re.DOTALL)
    assert [namespace for namespace, _ in shown] == ["apim-oslo", "apim-oslo-edge", "token-rotator"]
    roles = {m["metadata"]["namespace"]: m["rules"] for m in helm.render(two) if m["kind"] == "Role"}
    roles["token-rotator"] = roles.pop(RELEASE)
    for namespace, rules in shown:
        assert yaml.safe_load(rules) == roles[namespace]
