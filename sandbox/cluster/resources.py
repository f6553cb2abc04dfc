"""The kinds that the sandbox's API serves: names, scope, short names."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind; `plural` is unique among those served here."""

    group: str
    version: str
    plural: str
    kind: str
    short: tuple[str, ...] = ()
    namespaced: bool = True
    has_status: bool = False
    has_generation: bool = False
    categories: tuple[str, ...] = ()

    @property
    def has_template(self) -> bool:
        """Whether the kind creates pods from `spec.template`."""
        return self.has_generation and self.group == "apps"

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """The name in error messages: `secrets`, `deployments.apps`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


def _core(plural: str, kind: str, *short: str, status: bool = False, namespaced: bool = True) -> Resource:
    categories = ("all",) if plural in {"pods", "services"} else ()
    return Resource("", "v1", plural, kind, short, namespaced, status, categories=categories)


def _apps(plural: str, kind: str, *short: str) -> Resource:
    return Resource(
        "apps", "v1", plural, kind, short, has_status=True, has_generation=True, categories=("all",)
    )


RESOURCES = (
    _core("namespaces", "Namespace", "ns", namespaced=False, status=True),
    _core("nodes", "Node", "no", namespaced=False, status=True),
    _core("secrets", "Secret"),
    _core("configmaps", "ConfigMap", "cm"),
    _core("services", "Service", "svc", status=True),
    _core("serviceaccounts", "ServiceAccount", "sa"),
    _core("pods", "Pod", "po", status=True),
    _core("events", "Event", "ev"),
    _apps("deployments", "Deployment", "deploy"),
    _apps("replicasets", "ReplicaSet", "rs"),
    _apps("statefulsets", "StatefulSet", "sts"),
    _apps("daemonsets", "DaemonSet", "ds"),
    Resource("apps", "v1", "controllerrevisions", "ControllerRevision"),
    Resource("coordination.k8s.io", "v1", "leases", "Lease"),
    Resource(
        "policy",
        "v1",
        "poddisruptionbudgets",
        "PodDisruptionBudget",
        ("pdb",),
        has_status=True,
        has_generation=True,
    ),
)
BY_KIND = {resource.kind: resource for resource in RESOURCES}
BY_PLURAL = {resource.plural: resource for resource in RESOURCES}
GROUPS = ("apps", "coordination.k8s.io", "policy", "authorization.k8s.io", "authentication.k8s.io")


def find(group: str, version: str, plural: str) -> Resource | None:
    resource = BY_PLURAL.get(plural)
    return resource if resource and (resource.group, resource.version) == (group, version) else None
