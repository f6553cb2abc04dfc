"""Preconditions of a deletion: that the object is still the expected one."""

from __future__ import annotations

from sandbox.cluster.objects import name_of
from sandbox.cluster.resources import Resource
from sandbox.cluster.statuses import unmet_deletion
from sandbox.common import Json


def check_preconditions(resource: Resource, obj: Json, wanted: Json) -> None:
    """Raises ApiError 409 if the object has another uid or resourceVersion than the wanted one."""
    for field, label in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        known = obj["metadata"][field]
        if wanted.get(field) and wanted[field] != known:
            raise unmet_deletion(resource, name_of(obj), label, wanted[field], known)
