"""Reads fields of raw objects and creates the values that an API server fills in."""

from __future__ import annotations

import secrets
import uuid
from datetime import datetime
from typing import Any

from sandbox.common import Json

Key = tuple[str, str, str]
"""(plural, namespace, name); the namespace is "" at the cluster scope."""

ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""The letters of random names and hashes in Kubernetes (k8s.io/apimachinery util/rand)."""


def stamp(moment: datetime) -> str:
    """Format a time as metav1.Time, in whole seconds."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def random_suffix(length: int = 5) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def new_uid() -> str:
    return str(uuid.uuid4())


def name_of(obj: Json) -> str:
    return str(obj["metadata"]["name"])


def namespace_of(obj: Json) -> str:
    return str(obj["metadata"].get("namespace", ""))


def uid_of(obj: Json) -> str:
    return str(obj["metadata"]["uid"])


def labels_of(obj: Json) -> dict[str, str]:
    return obj["metadata"].get("labels") or {}


def annotations_of(obj: Json) -> dict[str, str]:
    return obj["metadata"].get("annotations") or {}


def status_of(obj: Json) -> Json:
    return obj.get("status") or {}


def is_terminating(obj: Json) -> bool:
    return "deletionTimestamp" in obj["metadata"]


def controller_of(obj: Json) -> Json | None:
    """Return the owner reference with `controller: true`."""
    references: list[Json] = obj["metadata"].get("ownerReferences") or []
    return next((reference for reference in references if reference.get("controller")), None)


def owner_reference(owner: Json) -> Json:
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": name_of(owner),
        "uid": uid_of(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def condition(obj: Json, kind: str) -> Json | None:
    conditions: list[Json] = status_of(obj).get("conditions") or []
    return next((entry for entry in conditions if entry["type"] == kind), None)


def is_ready(pod: Json) -> bool:
    found = condition(pod, "Ready")
    return bool(found and found["status"] == "True")


def is_active(pod: Json) -> bool:
    """Whether a ReplicaSet counts the pod: not terminating and not finished."""
    return not is_terminating(pod) and status_of(pod).get("phase") not in {"Succeeded", "Failed"}


def without_nulls(value: Any) -> Any:
    """Return the value without nulls: JSON null in a typed API object means absent."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value
