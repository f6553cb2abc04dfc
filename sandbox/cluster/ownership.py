"""`metadata.managedFields`: which writer wrote which field last.

Kept as in k8s.io/apimachinery `managedfields`, for the kinds whose writers matter here. Conflicts of
server-side apply are not modelled: the writer that applies takes ownership.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from sandbox.cluster.resources import Resource
from sandbox.common import Json

KINDS = frozenset({"Secret", "ConfigMap", "Deployment", "StatefulSet", "DaemonSet"})
Path = tuple[str, ...]
Fields = dict[Path, object]
"""Each field of an object by its path ("f:spec", "f:replicas"); a field that only has children is None."""

_UNOWNED = frozenset(
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
"""Structs that are always present in the Go type, so their presence has no owner."""
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
    """A writer and its operation. `applied` is the configuration of a server-side apply."""

    manager: str
    operation: Literal["Update", "Apply"] = "Update"
    subresource: str = ""
    applied: Json | None = None

    @classmethod
    def named(cls, field_manager: str | None, user_agent: str, subresource: str = "") -> Writer:
        """Return a writer named by fieldManager, or by the user agent up to "/"; at most 128 characters."""
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
    before, after = _changed(old or {}, new)
    touched = {path for path, value in after.items() if path not in before or before[path] != value}
    gone = before.keys() - after.keys()
    entries = _entries((old or {}).get("metadata", {}).get("managedFields") or [])
    mine = next((entry for entry in entries if _same(entry.writer, by)), None)
    kept = [_left(entry, gone | touched) for entry in entries if entry is not mine]
    claimed = touched | (mine.fields - gone if mine else frozenset())
    if by.applied is not None:
        claimed = set(fields(by.applied))
    if claimed:
        kept.append(_Entry(by, frozenset(claimed), now))
    kept.sort(key=lambda entry: (entry.time, entry.writer.manager))
    written = [_written(resource, entry) for entry in kept if entry.fields]
    return new | {"metadata": new["metadata"] | {"managedFields": written}}


def _changed(old: Json, new: Json) -> tuple[Fields, Fields]:
    """Return the fields of both objects in the parts that differ. A new object's status has no owner yet."""
    differ = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
    if not old:
        differ.discard("status")
    return (
        fields({key: old[key] for key in differ & old.keys()}),
        fields({key: new[key] for key in differ & new.keys()}),
    )


def _left(entry: _Entry, lost: set[Path]) -> _Entry:
    """Return another writer's entry without the fields that it lost."""
    return replace(entry, fields=entry.fields - lost) if entry.fields & lost else entry


def _same(one: Writer, other: Writer) -> bool:
    return (one.manager, one.operation, one.subresource) == (
        other.manager,
        other.operation,
        other.subresource,
    )


def fields(obj: Json) -> Fields:
    """Return all fields of an object that a writer can own."""
    found = dict(_walk(obj, "", ()))
    return {path: value for path, value in found.items() if path not in _UNOWNED and path[:2] not in _UNOWNED}


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
    elif isinstance(value, dict | list):
        yield at, _compact(value)
    else:
        yield at, (type(value), value)  # 1 and true are two values


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def _written(resource: Resource, entry: _Entry) -> Json:
    tree: Json = {}
    for path in sorted(entry.fields):
        node = tree
        for part in path:
            node = node.setdefault(part, {})
    for path in entry.fields:
        node = tree
        for part in path:
            node = node[part]
        if node:  # it has children: "." records the field itself
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
