"""Where objects live in the API, and what RBAC calls a request for one of them."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

KINDS = {"deployment": "Deployment", "statefulset": "StatefulSet", "daemonset": "DaemonSet"}
"""The kinds of workloads, as `workload references` and as Kubernetes write them."""


def secret(namespace: str, name: str) -> str:
    return f"/api/v1/namespaces/{quote(namespace)}/secrets/{quote(name)}"


def pods(namespace: str) -> str:
    return f"/api/v1/namespaces/{quote(namespace)}/pods"


def pod(namespace: str, name: str) -> str:
    return f"{pods(namespace)}/{quote(name)}"


def eviction(namespace: str, pod: str) -> str:
    """Return the subresource to which an Eviction is posted."""
    return f"{pods(namespace)}/{quote(pod)}/eviction"


def workloads(namespace: str, kind: str) -> str:
    """Return the collection of a kind from `KINDS`."""
    return f"/apis/apps/v1/namespaces/{quote(namespace)}/{kind}s"


def workload(namespace: str, reference: str) -> str:
    """Return the path of `kind/name`."""
    kind, _, name = reference.partition("/")
    return f"{workloads(namespace, kind)}/{quote(name)}"


def leases(namespace: str) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{quote(namespace)}/leases"


def lease(namespace: str, name: str) -> str:
    return f"{leases(namespace)}/{quote(name)}"


def events(namespace: str) -> str:
    return f"/api/v1/namespaces/{quote(namespace)}/events"


@dataclass(frozen=True, slots=True)
class Access:
    """What a Role has to grant for a request (source: Kubernetes, "Authorization Overview")."""

    verb: str
    group: str
    resource: str
    namespace: str
    name: str

    @classmethod
    def of(cls, method: str, path: str, *, watching: bool = False) -> Access:
        """Return the access that method on path needs."""
        parts = path.strip("/").split("/")
        if parts[0] not in {"api", "apis"}:
            return cls(method.lower(), "", path, "", "")  # no resource, such as /version
        group, rest = ("", parts[2:]) if parts[0] == "api" else (parts[1], parts[3:])
        namespace = rest[1] if rest[0] == "namespaces" and len(rest) > 2 else ""
        resource, *name = rest[2:] if namespace else rest
        one = bool(name)
        if len(name) > 1:
            resource = f"{resource}/{name[1]}"
        verb = {"POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}.get(
            method, "watch" if watching else "get" if one else "list"
        )
        return cls(verb, group, resource, namespace, name[0] if one else "")

    @property
    def remedy(self) -> str:
        """A sentence that says which rule to add to which Role. Pods change their names."""
        lasting = self.name and self.resource.partition("/")[0] != "pods"
        named = f', resourceNames ["{self.name}"]' if lasting else ""
        rule = f'apiGroups ["{self.group}"], resources ["{self.resource}"]{named}, verbs ["{self.verb}"]'
        where = f"a Role in namespace {self.namespace}" if self.namespace else "a ClusterRole"
        return f"Grant {rule} in {where} to the account that this process uses there."
