"""Deletes the dependents of a deleted owner and the contents of a deleted namespace."""

from __future__ import annotations

from sandbox.cluster.controllers.common import Tools
from sandbox.cluster.objects import is_terminating, name_of, namespace_of
from sandbox.cluster.resources import BY_KIND
from sandbox.common import Json


def collect(tools: Tools, uid: str) -> None:
    """Delete the dependents of the deleted object with this uid."""
    for child in tools.store.owned_by(uid):
        _delete(tools, child)


def empty_namespace(tools: Tools, namespace: Json) -> None:
    """Delete the contents of a terminating namespace, then the namespace itself."""
    if not is_terminating(namespace):
        return
    for obj in tools.store.in_namespace(name_of(namespace)):
        _delete(tools, obj)
    if not tools.store.in_namespace(name_of(namespace)):
        tools.store.remove(("namespaces", "", name_of(namespace)))


def _delete(tools: Tools, obj: Json) -> None:
    if not is_terminating(obj):
        tools.registry.delete(BY_KIND[obj["kind"]], namespace_of(obj), name_of(obj))
