"""Discovery: version, groups, resources, and the part of OpenAPI that kubectl reads."""

from __future__ import annotations

from sandbox.cluster.access import REVIEWS
from sandbox.cluster.resources import GROUPS, RESOURCES, Resource
from sandbox.common import Json

VERSION: Json = {
    "major": "1",
    "minor": "32",
    "gitVersion": "v1.32.0+sandbox",
    "gitCommit": "0000000000000000000000000000000000000000",
    "gitTreeState": "clean",
    "buildDate": "2026-01-01T00:00:00Z",
    "goVersion": "none",
    "compiler": "none",
    "platform": "linux/amd64",
}
_VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]
HEALTH = frozenset({"healthz", "readyz", "livez"})


def answer(parts: list[str]) -> Json | None:  # noqa: PLR0911 - a table of paths
    """Return the document at this path; None if discovery has none there."""
    match parts:
        case ["version"]:
            return VERSION
        case ["api"]:
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
        case ["apis"]:
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group(group) for group in GROUPS]}
        case ["api", "v1"]:
            return _resources("")
        case ["apis", group] if group in GROUPS:
            return {"kind": "APIGroup", "apiVersion": "v1"} | _group(group)
        case ["apis", group, "v1"] if group in GROUPS:
            return _resources(group)
        case ["openapi", "v3"]:
            return {
                "paths": {
                    _root(group): {"serverRelativeURL": f"/openapi/v3/{_root(group)}"} for group in _all()
                }
            }
        case ["openapi", "v3", *root]:
            return _openapi("/".join(root))
    return None


def _all() -> tuple[str, ...]:
    return ("", *GROUPS)


def _root(group: str) -> str:
    return f"apis/{group}/v1" if group else "api/v1"


def _group(group: str) -> Json:
    version = {"groupVersion": f"{group}/v1", "version": "v1"}
    return {"name": group, "versions": [version], "preferredVersion": version}


def _resources(group: str) -> Json:
    entries: list[Json] = []
    for resource in RESOURCES:
        if resource.group == group:
            entries.append(_entry(resource))
            if resource.has_status:
                entries.append(_entry(resource, f"{resource.plural}/status", ["get", "patch", "update"]))
            if resource.kind == "Pod":
                entries.append(_entry(resource, "pods/log", ["get"]))
                evictions = {"group": "policy", "version": "v1", "kind": "Eviction"}
                entries.append(_entry(resource, "pods/eviction", ["create"]) | evictions)
    for (review_group, plural), kind in REVIEWS.items():
        if review_group == group:
            entry = {"name": plural, "singularName": kind.lower(), "namespaced": False, "kind": kind}
            entries.append(entry | {"verbs": ["create"]})
    version = f"{group}/v1" if group else "v1"
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": entries}


def _entry(resource: Resource, name: str | None = None, verbs: list[str] | None = None) -> Json:
    entry: Json = {
        "name": name or resource.plural,
        "singularName": "" if name else resource.kind.lower(),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": verbs or _VERBS,
    }
    if not name:
        extras = {"shortNames": list(resource.short), "categories": list(resource.categories)}
        entry |= {field: values for field, values in extras.items() if values}
    return entry


def _openapi(root: str) -> Json | None:
    """Return only what `kubectl apply` needs: the parameter `fieldValidation` of each kind's PATCH."""
    if root not in {_root(group) for group in _all()}:
        return None
    paths: Json = {}
    for resource in RESOURCES:
        if _root(resource.group) == root:
            middle = "/namespaces/{namespace}" if resource.namespaced else ""
            gvk = {"group": resource.group, "version": resource.version, "kind": resource.kind}
            parameter = {"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}
            operation = {"parameters": [parameter], "x-kubernetes-group-version-kind": gvk, "responses": {}}
            paths[f"/{root}{middle}/{resource.plural}/{{name}}"] = {"patch": operation}
    return {"openapi": "3.0.0", "info": {"title": "sandbox", "version": "1"}, "paths": paths}
