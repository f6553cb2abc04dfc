"""JSON merge patch (RFC 7386), JSON patch (RFC 6902), and all by media type. Inputs stay unchanged."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from jsonpatch import JsonPatch, JsonPatchException, JsonPointerException

from sandbox.cluster.statuses import rejected
from sandbox.cluster.strategic import strategic_merge
from sandbox.common import Json


def merge(target: Any, patch: Any) -> Any:
    """Return `target` with `patch` merged in: null deletes, objects merge, everything else replaces."""
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
    """Return `document` after all operations.

    Raises:
        ApiError: 422 if a `test` fails or a path does not exist.
    """
    try:
        result = JsonPatch(operations).apply(document)
    except (JsonPatchException, JsonPointerException, TypeError) as error:
        raise rejected() from error
    if not isinstance(result, dict):
        raise rejected()
    return result


APPLY = "application/apply-patch+yaml"
PATCHES: dict[str, Callable[..., Json]] = {
    "application/merge-patch+json": merge,
    APPLY: merge,
    "application/strategic-merge-patch+json": strategic_merge,
    "application/json-patch+json": json_patch,
}
