"""The ReplicaSets of a Deployment: which is new, which are old, revisions, scaling."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.cluster.controllers.common import Tools, key_of, template_hash
from sandbox.cluster.objects import annotations_of, name_of, namespace_of, owner_reference, uid_of
from sandbox.cluster.resources import BY_PLURAL
from sandbox.common import Json

REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
HASH = "pod-template-hash"
_NOT_COPIED = (REVISION, HISTORY, DESIRED, MAXIMUM, "kubectl.kubernetes.io/last-applied-configuration")


@dataclass(frozen=True, slots=True)
class Sets:
    """A Deployment's ReplicaSets; `old` from the oldest to the youngest."""

    new: Json | None
    old: list[Json]

    @property
    def all(self) -> list[Json]:
        return self.old + ([self.new] if self.new else [])


def read(tools: Tools, deployment: Json) -> Sets:
    """Return the current ReplicaSets. The new one is the oldest with the Deployment's template."""
    owned = tools.store.owned_by(uid_of(deployment), "replicasets")
    owned.sort(key=lambda one: (one["metadata"]["creationTimestamp"], revision(one), name_of(one)))
    wanted = deployment["spec"]["template"]
    new = next((one for one in owned if _plain_template(one) == wanted), None)
    return Sets(new, [one for one in owned if one is not new])


def replicas(sets: list[Json]) -> int:
    return sum(int(one["spec"]["replicas"]) for one in sets)


def count(sets: list[Json], field: str) -> int:
    """Return the sum of a status field."""
    return sum(int((one.get("status") or {}).get(field, 0)) for one in sets)


def revision(obj: Json) -> int:
    return int(annotations_of(obj).get(REVISION, "0"))


def _plain_template(replica_set: Json) -> Json:
    """Return the template without the hash label that the controller adds."""
    template: Json = replica_set["spec"]["template"]
    meta = template.get("metadata") or {}
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if key != HASH}
    return template | {"metadata": meta | {"labels": labels}}


def create(tools: Tools, deployment: Json, sets: Sets, size: int) -> Json:
    """Create a ReplicaSet of `size` pods for the Deployment's current template."""
    spec, template = deployment["spec"], deployment["spec"]["template"]
    digest = template_hash(template)
    meta = template.get("metadata") or {}
    labels = (meta.get("labels") or {}) | {HASH: digest}
    selector = spec["selector"] | {
        "matchLabels": (spec["selector"].get("matchLabels") or {}) | {HASH: digest}
    }
    body: Json = {
        "metadata": {
            "name": f"{name_of(deployment)}-{digest}",
            "labels": labels,
            "annotations": _copied(deployment)
            | {REVISION: str(_next_revision(sets)), DESIRED: str(spec["replicas"])},
            "ownerReferences": [owner_reference(deployment)],
        },
        "spec": {
            "replicas": size,
            "selector": selector,
            "template": template | {"metadata": meta | {"labels": labels}},
        },
    }
    if "minReadySeconds" in spec:
        body["spec"]["minReadySeconds"] = spec["minReadySeconds"]
    return tools.registry.create(BY_PLURAL["replicasets"], namespace_of(deployment), body)


def _copied(deployment: Json) -> dict[str, str]:
    return {key: value for key, value in annotations_of(deployment).items() if key not in _NOT_COPIED}


def _next_revision(sets: Sets) -> int:
    return max((revision(one) for one in sets.old), default=0) + 1


def bring_to_top(tools: Tools, sets: Sets) -> None:
    """Give a reused ReplicaSet the highest revision and record its former one in its history."""
    if sets.new is None or revision(sets.new) >= _next_revision(sets):
        return
    top, former = _next_revision(sets), revision(sets.new)
    history = annotations_of(sets.new).get(HISTORY)
    marks = {REVISION: str(top), HISTORY: f"{history},{former}" if history else str(former)}
    tools.registry.modify(key_of(sets.new), lambda one: _annotate(one, marks))


def mark_deployment(tools: Tools, deployment: Json, new: Json) -> None:
    """Write the revision of the new ReplicaSet to the Deployment."""
    mark = {REVISION: str(revision(new))}
    tools.registry.modify(key_of(deployment), lambda one: _annotate(one, mark))


def _annotate(obj: Json, marks: dict[str, str]) -> None:
    obj["metadata"]["annotations"] = annotations_of(obj) | marks


def scale(tools: Tools, deployment: Json, replica_set: Json, size: int) -> None:
    """Set the size and record an event."""
    former = replica_set["spec"]["replicas"]
    if former == size:
        return
    tools.registry.modify(key_of(replica_set), lambda one: one["spec"].update(replicas=size))
    announce(tools, deployment, replica_set, former, size)


def announce(tools: Tools, deployment: Json, replica_set: Json, former: int, size: int) -> None:
    way = "up" if size > former else "down"
    message = f"Scaled {way} replica set {name_of(replica_set)} from {former} to {size}"
    tools.recorder.record(deployment, "ScalingReplicaSet", message, "deployment-controller")
