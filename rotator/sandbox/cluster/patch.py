"""JSON merge patch (RFC 7386), JSON patch (RFC 6902), and all by media type. Inputs are never changed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from rotator.sandbox.cluster.resources import Json
from rotator.sandbox.cluster.statuses import rejected
from rotator.sandbox.cluster.strategic import strategic_merge


def merge(target: Any, patch: Any) -> Any:
    """`target` with `patch` merged in: null deletes, objects merge, everything else replaces."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value)
    return result


def json_patch(document: Json, operations: list[Json]) -> Json:
    """`document` after all operations.

    Raises:
        ApiError: 422 when a `test` fails or a path does not exist, with the API server's unhelpful text.
    """
    result = copy.deepcopy(document)
    try:
        for operation in operations:
            _apply(result, operation)
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise rejected() from error
    return result


def _split(pointer: str) -> list[str]:
    if not pointer.startswith("/"):
        raise ValueError(pointer)
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")]


def _step(node: Any, part: str) -> Any:
    return node[int(part)] if isinstance(node, list) else node[part]


def _read(document: Json, pointer: str) -> Any:
    node: Any = document
    for part in _split(pointer):
        node = _step(node, part)
    return node


def _apply(document: Json, operation: Json) -> None:
    parts = _split(operation["path"])
    parent: Any = document
    for part in parts[:-1]:
        parent = _step(parent, part)
    last = parts[-1]
    match operation["op"]:
        case "add":
            _add(parent, last, copy.deepcopy(operation["value"]))
        case "remove":
            _remove(parent, last)
        case "replace":
            _step(parent, last)
            _remove(parent, last)
            _add(parent, last, copy.deepcopy(operation["value"]))
        case "test":
            if _step(parent, last) != operation["value"]:
                raise ValueError(operation["path"])
        case "copy":
            _add(parent, last, copy.deepcopy(_read(document, operation["from"])))
        case "move":
            value = _read(document, operation["from"])
            _apply(document, {"op": "remove", "path": operation["from"]})
            _apply(document, {"op": "add", "path": operation["path"], "value": value})
        case other:
            raise ValueError(other)


def _add(parent: Any, part: str, value: Any) -> None:
    if isinstance(parent, list):
        index = len(parent) if part == "-" else int(part)
        if not 0 <= index <= len(parent):
            raise IndexError(part)
        parent.insert(index, value)
    else:
        parent[part] = value


def _remove(parent: Any, part: str) -> None:
    del parent[int(part) if isinstance(parent, list) else part]


APPLY = "application/apply-patch+yaml"
PATCHES: dict[str, Callable[..., Json]] = {
    "application/merge-patch+json": merge,
    APPLY: merge,
    "application/strategic-merge-patch+json": strategic_merge,
    "application/json-patch+json": json_patch,
}
