"""Strategic merge patch: lists merge by the names of their items; directives control the rest.

Merge keys are those of k8s.io/api's `patchMergeKey` tags; other lists are replaced as a whole.
"""

from __future__ import annotations

import copy
from typing import Any

from sandbox.common import Json

_MERGE_KEYS = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "env": ("name",),
    "volumes": ("name",),
    "imagePullSecrets": ("name",),
    "secrets": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "ports": ("containerPort", "port"),
    "hostAliases": ("ip",),
    "ownerReferences": ("uid",),
    "conditions": ("type",),
    "topologySpreadConstraints": ("topologyKey",),
}
_SETS = frozenset({"finalizers"})
_ORDER, _DELETE_FROM = "$setElementOrder/", "$deleteFromPrimitiveList/"


def strategic_merge(target: Json, patch: Json) -> Json:
    """Return `target` with `patch` merged in; neither is changed."""
    directive = patch.get("$patch")
    if directive == "replace":
        return copy.deepcopy({key: value for key, value in patch.items() if key != "$patch"})
    if directive == "delete":
        return {}
    result = dict(target)
    for key, value in patch.items():
        if not key.startswith("$"):
            _merge_field(result, key, value)
    for key, value in patch.items():
        if key.startswith(_DELETE_FROM):
            field = key.removeprefix(_DELETE_FROM)
            result[field] = [item for item in result.get(field) or [] if item not in value]
        elif key.startswith(_ORDER):
            _reorder(result, key.removeprefix(_ORDER), value)
        elif key == "$retainKeys":
            result = {name: kept for name, kept in result.items() if name in value}
    return result


def _merge_field(result: Json, key: str, value: Any) -> None:
    existing = result.get(key)
    if value is None:
        result.pop(key, None)
    elif isinstance(value, dict):
        result[key] = strategic_merge(existing if isinstance(existing, dict) else {}, value)
    elif isinstance(value, list):
        result[key] = _merge_list(key, existing if isinstance(existing, list) else [], value)
    else:
        result[key] = value


def _merge_key(field: str, items: list[Any]) -> str | None:
    for name in _MERGE_KEYS.get(field, ()):
        if any(isinstance(item, dict) and name in item for item in items):
            return name
    return None


def _merge_list(field: str, existing: list[Any], patch: list[Any]) -> list[Any]:
    if any(isinstance(item, dict) and item == {"$patch": "replace"} for item in patch):
        return [copy.deepcopy(item) for item in patch if item != {"$patch": "replace"}]
    if field in _SETS:
        return existing + [item for item in patch if item not in existing]
    key = _merge_key(field, patch)
    if key is None:
        return copy.deepcopy(patch)
    merged: dict[Any, Json] = {item.get(key): item for item in existing}
    for item in patch:
        name = item.get(key)
        if item.get("$patch") == "delete":
            merged.pop(name, None)
        else:
            merged[name] = strategic_merge(merged.get(name, {}), item)
    return list(merged.values())


def _reorder(result: Json, field: str, order: list[Any]) -> None:
    items = result.get(field)
    if not isinstance(items, list):
        return
    key = _merge_key(field, items)
    wanted = [entry[key] if key and isinstance(entry, dict) else entry for entry in order]

    def rank(item: Any) -> int:
        name = item.get(key) if key else item
        return wanted.index(name) if name in wanted else len(wanted)

    result[field] = sorted(items, key=rank)
