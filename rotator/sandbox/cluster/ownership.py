"""`metadata.managedFields`: who wrote which field last.

As k8s.io/apimachinery `managedfields` keeps them, on the kinds whose writers matter here. Conflicts of
server-side apply are not modelled: what is applied is taken over.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from rotator.sandbox.cluster.resources import Json, Resource

KINDS = frozenset({"Secret", "ConfigMap", "Deployment", "StatefulSet", "DaemonSet"})
Path = tuple[str, ...]
Fields = dict[Path, object]
"""Each field of an object by its path ("f:spec", "f:replicas"); what only holds others has the value None."""

_NOBODYS = frozenset(
    {("f:apiVersion",), ("f:kind",), ("f:metadata",)}
    | {
        ("f:metadata", f"f:{name}")
        for name in (
            "name",
            "namespace",
            "uid",
            "resourceVersion",
            "generation",
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "managedFields",
        )
    }
)
_STRUCTS = frozenset({"metadata", "spec", "status", "template", "strategy", "updateStrategy", "containers"})
"""Always there in the Go type: nobody owns the mere presence of one."""
_ATOMIC = frozenset(
    {"selector", "nodeSelector", "secretKeyRef", "configMapKeyRef", "fieldRef", "resourceFieldRef"}
)
_LISTS = {
    "containers": ("name",),
    "initContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "imagePullSecrets": ("name",),
    "volumeMounts": ("mountPath",),
    "ports": ("containerPort", "protocol"),
    "conditions": ("type",),
    "ownerReferences": ("uid",),
}


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes, and how. `applied` is the configuration of a server-side apply."""

    manager: str
    operation: Literal["Update", "Apply"] = "Update"
    subresource: str = ""
    applied: Json | None = None

    @classmethod
    def named(cls, field_manager: str | None, user_agent: str, subresource: str = "") -> Writer:
        """The query's fieldManager, or the user agent up to its first "/", at most 128 characters."""
        name = field_manager or user_agent.split("/", 1)[0]
        return cls("".join(char for char in name if char.isprintable())[:128], subresource=subresource)

    def apply(self, configuration: Json) -> Writer:
        return replace(self, operation="Apply", applied=configuration)


CONTROLLERS = Writer("kube-controller-manager")


@dataclass(frozen=True, slots=True)
class _Entry:
    writer: Writer
    fields: frozenset[Path]
    time: str


def owned(resource: Resource, old: Json | None, new: Json, by: Writer, now: str) -> Json:
    """`new` with the managedFields of `old` brought up to date; unchanged if its kind is not followed."""
    if resource.kind not in KINDS:
        return new
    before, after = fields(old or {}), fields(new)
    if old is None:
        after = {path: value for path, value in after.items() if path[0] != "f:status"}
    touched = {p for p, value in after.items() if p not in before or before[p] != value}
    kept = [
        _Entry(entry.writer, left, entry.time)
        for entry in _entries((old or {}).get("metadata", {}).get("managedFields") or [])
        if (left := _left(entry, by, set(after), touched))
    ]
    mine = next((entry for entry in kept if _same(entry.writer, by)), None)
    others = [entry for entry in kept if entry is not mine]
    claimed = touched if by.applied is None else {p for p in fields(by.applied) if p in after}
    if by.applied is None and mine:
        claimed |= mine.fields
    entries = [*others, _Entry(by, frozenset(claimed), now)] if claimed else others
    written = sorted(
        (_written(resource, entry) for entry in entries), key=lambda e: (e["time"], e["manager"])
    )
    return new | {"metadata": new["metadata"] | {"managedFields": written}}


def _left(entry: _Entry, by: Writer, present: set[Path], touched: set[Path]) -> frozenset[Path]:
    """What an entry keeps: what is still there and, if it is another's, was not changed."""
    lost = set() if _same(entry.writer, by) else touched
    return frozenset(path for path in entry.fields if path in present and path not in lost)


def _same(one: Writer, other: Writer) -> bool:
    return (one.manager, one.operation, one.subresource) == (
        other.manager,
        other.operation,
        other.subresource,
    )


def fields(obj: Json) -> Fields:
    """All fields of an object that somebody can own."""
    found = dict(_walk(obj, "", ()))
    return {p: value for p, value in found.items() if p not in _NOBODYS and p[:2] not in _NOBODYS}


def _walk(value: Any, name: str, at: Path) -> Iterator[tuple[Path, object]]:
    if isinstance(value, dict) and value and name not in _ATOMIC:
        if at and name not in _STRUCTS:
            yield at, None
        for key, item in value.items():
            yield from _walk(item, key, (*at, f"f:{key}"))
    elif isinstance(value, list) and value and name in _LISTS and isinstance(value[0], dict):
        if name not in _STRUCTS:
            yield at, None
        for item in value:
            keys = {key: item[key] for key in _LISTS[name] if key in item}
            yield from _walk(item, "", (*at, f"k:{_compact(keys)}"))
    elif isinstance(value, list) and name == "finalizers":
        yield at, None
        yield from (((*at, f"v:{_compact(item)}"), True) for item in value)
    else:
        yield at, _compact(value)


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def _written(resource: Resource, entry: _Entry) -> Json:
    tree: Json = {}
    for path in sorted(entry.fields):
        node = tree
        for part in path:
            node = node.setdefault(part, {})
    for path in entry.fields:
        if any(len(other) > len(path) and other[: len(path)] == path for other in entry.fields):
            node = tree
            for part in path:
                node = node[part]
            node["."] = {}
    body: Json = {
        "manager": entry.writer.manager,
        "operation": entry.writer.operation,
        "apiVersion": resource.api_version,
        "time": entry.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": tree,
    }
    return body | ({"subresource": entry.writer.subresource} if entry.writer.subresource else {})


def _entries(written: list[Json]) -> list[_Entry]:
    return [
        _Entry(
            Writer(one["manager"], one["operation"], one.get("subresource", "")),
            frozenset(_paths(one["fieldsV1"], ())),
            one["time"],
        )
        for one in written
    ]


def _paths(tree: Json, at: Path) -> Iterator[Path]:
    if (not tree or "." in tree) and at:
        yield at
    for part, below in tree.items():
        if part != ".":
            yield from _paths(below, (*at, part))
