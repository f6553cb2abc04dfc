"""The Secrets and ConfigMaps that a pod reads, fetched, so that the sandbox's own rules resolve its environment."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sandbox.cluster.objects import Key
from tests.cluster.api import Api, ApiError, Json

_KINDS = {"secrets": "Secret", "configmaps": "ConfigMap"}


class References:
    """Read like the sandbox's store: `get` of what was fetched, None for what does not exist."""

    def __init__(self, objects: dict[Key, Json]) -> None:
        self._objects = objects

    @classmethod
    async def fetch(cls, api: Api, pod: Json) -> References:
        namespace, found = pod["metadata"]["namespace"], {}
        for plural, name in set(_named(pod["spec"])):
            try:
                found[plural, namespace, name] = await api.get(_KINDS[plural], namespace, name)
            except ApiError as failure:
                if failure.status != 404:
                    raise
        return cls(found)

    def get(self, key: Key) -> Json | None:
        return self._objects.get(key)


def _named(node: Any) -> Iterator[tuple[str, str]]:
    """(plural, name) of every reference anywhere in a pod's spec."""
    fields = {
        "secretRef": ("secrets", "name"),
        "secretKeyRef": ("secrets", "name"),
        "secret": ("secrets", "secretName"),
        "configMapRef": ("configmaps", "name"),
        "configMapKeyRef": ("configmaps", "name"),
        "configMap": ("configmaps", "name"),
    }
    if isinstance(node, list):
        for item in node:
            yield from _named(item)
    elif isinstance(node, dict):
        for field, value in node.items():
            if field in fields and isinstance(value, dict):
                plural, key = fields[field]
                if name := value.get(key) or value.get("name"):
                    yield plural, name
            yield from _named(value)
