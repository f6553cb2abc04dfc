"""StatefulSets: ordinals, one at a time. A port of pkg/controller/statefulset/stateful_set_control.go."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.cluster.controllers import revisions
from sandbox.cluster.controllers.common import Tools, key_of, without_zeros
from sandbox.cluster.objects import is_ready, is_terminating, labels_of, name_of, status_of
from sandbox.cluster.resources import Json


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a StatefulSet: `slots[i]` is the pod of ordinal i or None, `condemned` the ones beyond."""

    owner: Json
    current: Json
    update: Json
    slots: list[Json | None]
    condemned: list[Json]

    @property
    def pods(self) -> list[Json]:
        return [pod for pod in self.slots if pod] + self.condemned

    @property
    def partition(self) -> int:
        rolling = self.owner["spec"]["updateStrategy"].get("rollingUpdate") or {}
        return int(rolling.get("partition", 0))


def sync(tools: Tools, owner: Json) -> None:
    """At most one step that must be waited for, then the status."""
    if is_terminating(owner):
        return
    look = _look(tools, owner)
    _step(tools, look)
    current = tools.store.get(key_of(owner))
    if current:
        _count(tools, _look(tools, current))


def _look(tools: Tools, owner: Json) -> Look:
    update = revisions.current(tools, owner)
    named = status_of(owner).get("currentRevision")
    current = next((one for one in revisions.history(tools, owner) if name_of(one) == named), update)
    pods = {_ordinal(pod): pod for pod in tools.pods_of(owner)}
    size = owner["spec"]["replicas"]
    slots = [pods.get(ordinal) for ordinal in range(size)]
    condemned = [pods[ordinal] for ordinal in sorted(pods) if ordinal >= size]
    return Look(owner, current, update, slots, condemned)


def _ordinal(pod: Json) -> int:
    return int(name_of(pod).rsplit("-", 1)[1])


def _step(tools: Tools, look: Look) -> None:
    ordered = look.owner["spec"]["podManagementPolicy"] == "OrderedReady"
    for ordinal, pod in enumerate(look.slots):
        if pod is None or status_of(pod).get("phase") in {"Failed", "Succeeded"}:
            _renew(tools, look, ordinal, pod)
            if ordered:
                return
        elif ordered and not _is_available(tools, look.owner, pod):
            return
    for pod in reversed(look.condemned):
        if not is_terminating(pod):
            tools.delete_pod(look.owner, pod)
        if ordered:
            return
    if look.owner["spec"]["updateStrategy"]["type"] == "RollingUpdate":
        _roll(tools, look)


def _roll(tools: Tools, look: Look) -> None:
    """From the highest ordinal down: delete the first outdated pod, wait for the first that is not well."""
    for ordinal in range(len(look.slots) - 1, look.partition - 1, -1):
        pod = look.slots[ordinal]
        if pod is None:
            return
        if labels_of(pod).get(revisions.HASH) != name_of(look.update) and not is_terminating(pod):
            tools.delete_pod(look.owner, pod)
            return
        if not _is_available(tools, look.owner, pod):
            return


def _renew(tools: Tools, look: Look, ordinal: int, finished: Json | None) -> None:
    if finished:
        if not is_terminating(finished):
            tools.delete_pod(look.owner, finished)
        return
    rolling = look.owner["spec"]["updateStrategy"]["type"] == "RollingUpdate"
    revision = look.current if rolling and ordinal < look.partition else look.update
    name = f"{name_of(look.owner)}-{ordinal}"
    labels = {
        revisions.HASH: name_of(revision),
        "statefulset.kubernetes.io/pod-name": name,
        "apps.kubernetes.io/pod-index": str(ordinal),
    }
    tools.create_pod(look.owner, revisions.template(revision), name=name, labels=labels)


def _is_available(tools: Tools, owner: Json, pod: Json) -> bool:
    delay = tools.available_in(pod, owner["spec"].get("minReadySeconds", 0))
    if delay:
        tools.again(key_of(owner), delay)
    return delay == 0


def _count(tools: Tools, look: Look) -> None:
    lasting = [pod for pod in look.pods if not is_terminating(pod)]
    marks = [labels_of(pod).get(revisions.HASH) for pod in lasting]
    updated, ready = marks.count(name_of(look.update)), sum(is_ready(pod) for pod in lasting)
    kept = marks.count(name_of(look.current))
    current = look.current
    rolling = look.owner["spec"]["updateStrategy"]["type"] == "RollingUpdate"
    if rolling and updated == ready == len(look.pods) == len(look.slots):
        current, kept = look.update, updated
    status = {
        "observedGeneration": look.owner["metadata"]["generation"],
        "replicas": len(look.pods),
        "readyReplicas": ready,
        "availableReplicas": sum(_is_available(tools, look.owner, pod) for pod in lasting),
        "currentReplicas": kept,
        "updatedReplicas": updated,
        "currentRevision": name_of(current),
        "updateRevision": name_of(look.update),
        "collisionCount": 0,
    }
    keep = ("replicas", "availableReplicas", "collisionCount")
    tools.set_status(look.owner, without_zeros(status, *keep))
    in_use = {mark for mark in marks if mark} | {name_of(current), name_of(look.update)}
    revisions.forget(tools, look.owner, in_use)
