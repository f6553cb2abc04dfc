"""Parses paths of the Kubernetes API."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.cluster.resources import Resource, find
from sandbox.cluster.statuses import no_such_path

POD_SUBRESOURCES = ("log", "eviction")


@dataclass(frozen=True, slots=True)
class ApiPath:
    """What a path names: a collection (name is ""), an object, or a subresource of it."""

    resource: Resource
    namespace: str
    name: str = ""
    subresource: str = ""

    @property
    def full(self) -> str:
        """The name in access rules: `pods`, `pods/log`."""
        return f"{self.resource.plural}/{self.subresource}".rstrip("/")


def split(parts: list[str]) -> tuple[str, str, list[str]]:
    """Return group, version and the rest. Raises ApiError 404 for a path without a group."""
    match parts:
        case ["api", version, *rest]:
            return "", version, rest
        case ["apis", group, version, *rest]:
            return group, version, rest
    raise no_such_path()


def find_path(group: str, version: str, rest: list[str]) -> ApiPath | None:
    """Return None for an unknown kind. Raises ApiError 404 for a subresource that the kind does not have."""
    namespace = ""
    if (
        len(rest) > 2
        and rest[0] == "namespaces"
        and not (len(rest) == 3 and rest[2] in {"status", "finalize"})
    ):
        namespace, rest = rest[1], rest[2:]
    resource = find(group, version, rest[0]) if rest else None
    if resource is None or len(rest) > 3 or (namespace and not resource.namespaced):
        return None
    path = ApiPath(resource, namespace, *rest[1:])
    if path.subresource and not _has(resource, path.subresource):
        raise no_such_path()
    if resource.namespaced and path.name and not namespace:
        raise no_such_path()
    return path


def _has(resource: Resource, subresource: str) -> bool:
    return (subresource == "status" and resource.has_status) or (
        subresource in POD_SUBRESOURCES and resource.kind == "Pod"
    )
