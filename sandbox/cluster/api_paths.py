"""What a path of the API names: a collection, an object, or a subresource of it."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.cluster.resources import Resource, find
from sandbox.cluster.statuses import no_such_path

OF_PODS = ("log", "eviction")


@dataclass(frozen=True, slots=True)
class Place:
    """What a path names: a collection (name is ""), an object, or a subresource of it."""

    resource: Resource
    namespace: str
    name: str = ""
    subresource: str = ""

    @property
    def full(self) -> str:
        """`pods`, `pods/log`: how access rules name it."""
        return f"{self.resource.plural}/{self.subresource}".rstrip("/")


def split(parts: list[str]) -> tuple[str, str, list[str]]:
    """Group, version and the rest. Raises ApiError 404 for a path of no group."""
    match parts:
        case ["api", version, *rest]:
            return "", version, rest
        case ["apis", group, version, *rest]:
            return group, version, rest
    raise no_such_path()


def find_place(group: str, version: str, rest: list[str]) -> Place | None:
    """None if no stored kind lives there. Raises ApiError 404 for a subresource that the kind has not."""
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
    place = Place(resource, namespace, *rest[1:])
    if place.subresource and not _has(resource, place.subresource):
        raise no_such_path()
    if resource.namespaced and place.name and not namespace:
        raise no_such_path()
    return place


def _has(resource: Resource, subresource: str) -> bool:
    return (subresource == "status" and resource.has_status) or (
        subresource in OF_PODS and resource.kind == "Pod"
    )
