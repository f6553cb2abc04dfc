"""StatefulSets: pods by ordinal, by the rules of pkg/controller/statefulset/stateful_set_control.go."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.cluster.controllers import revisions
from sandbox.cluster.controllers.common import Tools, key_of, without_zeros
from sandbox.cluster.objects import is_ready, is_terminating, labels_of, name_of, status_of
from sandbox.common import Json


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A StatefulSet and its pods: `slots[i]` is the pod of ordinal i or None, `condemned` those beyond."""

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
    """Take at most one step that needs a wait, then write the status."""
    if is_terminating(owner):
        return
    snapshot = _read(tools, owner)
    _step(tools, snapshot)
    current = tools.store.get(key_of(owner))
    if current:
        _count(tools, _read(tools, current))


def _read(tools: Tools, owner: Json) -> Snapshot:
    update = revisions.current(tools, owner)
    named = status_of(owner).get("currentRevision")
    current = next((one for one in revisions.history(tools, owner) if name_of(one) == named), update)
    pods = {_ordinal(pod): pod for pod in tools.pods_of(owner)}
    size = owner["spec"]["replicas"]
    slots = [pods.get(ordinal) for ordinal in range(size)]
    condemned = [pods[ordinal] for ordinal in sorted(pods) if ordinal >= size]
    return Snapshot(owner, current, update, slots, condemned)


def _ordinal(pod: Json) -> int:
    return int(name_of(pod).rsplit("-", 1)[1])


def _step(tools: Tools, snapshot: Snapshot) -> None:
    ordered = snapshot.owner["spec"]["podManagementPolicy"] == "OrderedReady"
    for ordinal, pod in enumerate(snapshot.slots):
        if pod is None or status_of(pod).get("phase") in {"Failed", "Succeeded"}:
            _renew(tools, snapshot, ordinal, pod)
            if ordered:
                return
        elif ordered and not _is_available(tools, snapshot.owner, pod):
            return
    for pod in reversed(snapshot.condemned):
        if not is_terminating(pod):
            tools.delete_pod(snapshot.owner, pod)
        if ordered:
            return
    if snapshot.owner["spec"]["updateStrategy"]["type"] == "RollingUpdate":
        _roll(tools, snapshot)


def _roll(tools: Tools, snapshot: Snapshot) -> None:
    """From the highest ordinal down: delete the first outdated pod, wait for the first unavailable one."""
    for ordinal in range(len(snapshot.slots) - 1, snapshot.partition - 1, -1):
        pod = snapshot.slots[ordinal]
        if pod is None:
            return
        if labels_of(pod).get(revisions.HASH) != name_of(snapshot.update) and not is_terminating(pod):
            tools.delete_pod(snapshot.owner, pod)
            return
        if not _is_available(tools, snapshot.owner, pod):
            return


def _renew(tools: Tools, snapshot: Snapshot, ordinal: int, finished: Json | None) -> None:
    if finished:
        if not is_terminating(finished):
            tools.delete_pod(snapshot.owner, finished)
        return
    rolling = snapshot.owner["spec"]["updateStrategy"]["type"] == "RollingUpdate"
    revision = snapshot.current if rolling and ordinal < snapshot.partition else snapshot.update
    name = f"{name_of(snapshot.owner)}-{ordinal}"
    labels = {
        revisions.HASH: name_of(revision),
        "statefulset.kubernetes.io/pod-name": name,
        "apps.kubernetes.io/pod-index": str(ordinal),
    }
    tools.create_pod(snapshot.owner, revisions.template(revision), name=name, labels=labels)


def _is_available(tools: Tools, owner: Json, pod: Json) -> bool:
    delay = tools.available_in(pod, owner["spec"].get("minReadySeconds", 0))
    if delay:
        tools.again(key_of(owner), delay)
    return delay == 0


def _count(tools: Tools, snapshot: Snapshot) -> None:
    lasting = [pod for pod in snapshot.pods if not is_terminating(pod)]
    marks = [labels_of(pod).get(revisions.HASH) for pod in lasting]
    updated, ready = marks.count(name_of(snapshot.update)), sum(is_ready(pod) for pod in lasting)
    kept = marks.count(name_of(snapshot.current))
    current = snapshot.current
    rolling = snapshot.owner["spec"]["updateStrategy"]["type"] == "RollingUpdate"
    if rolling and updated == ready == len(snapshot.pods) == len(snapshot.slots):
        current, kept = snapshot.update, updated
    status = {
        "observedGeneration": snapshot.owner["metadata"]["generation"],
        "replicas": len(snapshot.pods),
        "readyReplicas": ready,
        "availableReplicas": sum(_is_available(tools, snapshot.owner, pod) for pod in lasting),
        "currentReplicas": kept,
        "updatedReplicas": updated,
        "currentRevision": name_of(current),
        "updateRevision": name_of(snapshot.update),
        "collisionCount": 0,
    }
    keep = ("replicas", "availableReplicas", "collisionCount")
    tools.set_status(snapshot.owner, without_zeros(status, *keep))
    in_use = {mark for mark in marks if mark} | {name_of(current), name_of(snapshot.update)}
    revisions.delete_oldest(tools, snapshot.owner, in_use)
