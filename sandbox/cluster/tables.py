"""Tables for `kubectl get`: the columns of each kind; and objects reduced to their metadata."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sandbox.cluster.objects import is_terminating, status_of
from sandbox.cluster.resources import Resource
from sandbox.common import Json

Cell = str | int
Columns = tuple[tuple[str, Callable[[Json, datetime], Cell]], ...]


def _age(text: str | None, now: datetime) -> str:
    """Format an age as kubectl does: 5s, 3m10s, 2h, 4d."""
    if not text:
        return "<unknown>"
    span = max(now - datetime.fromisoformat(text).astimezone(UTC), timedelta())
    seconds = int(span.total_seconds())
    if seconds < 120:
        return f"{seconds}s"
    if seconds < 600:
        return f"{seconds // 60}m{seconds % 60}s" if seconds % 60 else f"{seconds // 60}m"
    if seconds < 3 * 3600:
        return f"{seconds // 60}m"
    return f"{seconds // 3600}h" if seconds < 2 * 86400 else f"{seconds // 86400}d"


def _name(obj: Json, _: datetime) -> Cell:
    return str(obj["metadata"]["name"])


def _created(obj: Json, now: datetime) -> Cell:
    return _age(obj["metadata"].get("creationTimestamp"), now)


def _at(*path: str, default: Cell = "<none>") -> Callable[[Json, datetime], Cell]:
    def read(obj: Json, _: datetime) -> Cell:
        node: Json | Cell | None = obj
        for part in path:
            node = node.get(part) if isinstance(node, dict) else None
        return default if node is None or isinstance(node, dict) else node

    return read


def _count(field: str) -> Callable[[Json, datetime], Cell]:
    return _at("status", field, default=0)


def _data(obj: Json, _: datetime) -> Cell:
    return len(obj.get("data") or {})


def _ready_of_wanted(obj: Json, _: datetime) -> Cell:
    return f"{status_of(obj).get('readyReplicas', 0)}/{obj['spec']['replicas']}"


def _containers(obj: Json) -> list[Json]:
    return status_of(obj).get("containerStatuses") or []


def _pod_ready(obj: Json, _: datetime) -> Cell:
    return f"{sum(container['ready'] for container in _containers(obj))}/{len(obj['spec']['containers'])}"


def _pod_state(obj: Json, _: datetime) -> Cell:
    if is_terminating(obj):
        return "Terminating"
    for container in _containers(obj):
        if waiting := container["state"].get("waiting"):
            return str(waiting["reason"])
    return str(status_of(obj).get("phase", "Pending"))


def _restarts(obj: Json, _: datetime) -> Cell:
    return sum(int(container["restartCount"]) for container in _containers(obj))


def _last_seen(obj: Json, now: datetime) -> Cell:
    return _age(obj.get("lastTimestamp"), now)


def _event_object(obj: Json, _: datetime) -> Cell:
    return f"{obj['involvedObject'].get('kind', '').lower()}/{obj['involvedObject'].get('name', '')}"


_BEGIN: Columns = (("Name", _name),)
_END: Columns = (("Age", _created),)
_BY_KIND: dict[str, Columns] = {
    "Pod": (("Ready", _pod_ready), ("Status", _pod_state), ("Restarts", _restarts)),
    "Deployment": (
        ("Ready", _ready_of_wanted),
        ("Up-to-date", _count("updatedReplicas")),
        ("Available", _count("availableReplicas")),
    ),
    "ReplicaSet": (
        ("Desired", _at("spec", "replicas")),
        ("Current", _count("replicas")),
        ("Ready", _count("readyReplicas")),
    ),
    "StatefulSet": (("Ready", _ready_of_wanted),),
    "DaemonSet": (
        ("Desired", _count("desiredNumberScheduled")),
        ("Current", _count("currentNumberScheduled")),
        ("Ready", _count("numberReady")),
        ("Up-to-date", _count("updatedNumberScheduled")),
        ("Available", _count("numberAvailable")),
    ),
    "Secret": (("Type", _at("type")), ("Data", _data)),
    "ConfigMap": (("Data", _data),),
    "Lease": (("Holder", _at("spec", "holderIdentity", default="")),),
    "Namespace": (("Status", _at("status", "phase")),),
    "Service": (("Type", _at("spec", "type")), ("Cluster-IP", _at("spec", "clusterIP"))),
    "Node": (("Version", _at("status", "nodeInfo", "kubeletVersion")),),
    "ControllerRevision": (("Revision", _at("revision")),),
}
_EVENTS: Columns = (
    ("Last Seen", _last_seen),
    ("Type", _at("type")),
    ("Reason", _at("reason")),
    ("Object", _event_object),
    ("Message", _at("message")),
)


def table(resource: Resource, items: list[Json], meta: Json, now: datetime, *, whole: bool = False) -> Json:
    """Return a meta.k8s.io/v1 Table; `whole` puts the whole object into each row instead of its metadata."""
    middle = _BY_KIND.get(resource.kind, ())
    columns = _EVENTS if resource.kind == "Event" else _BEGIN + middle + _END
    definitions = [
        {
            "name": name,
            "type": "string",
            "format": "name" if name == "Name" else "",
            "description": name,
            "priority": 0,
        }
        for name, _ in columns
    ]
    rows = [
        {"cells": [cell(item, now) for _, cell in columns], "object": item if whole else partial(item)}
        for item in items
    ]
    head = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": meta}
    return head | {"columnDefinitions": definitions, "rows": rows}


def partial(obj: Json) -> Json:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}
