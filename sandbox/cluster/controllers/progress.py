"""A Deployment's status: counters, Available, Progressing and its deadline."""

from __future__ import annotations

from sandbox.cluster.controllers import replicasets
from sandbox.cluster.controllers.common import Tools, key_of, scaled, without_zeros
from sandbox.cluster.controllers.replicasets import Sets
from sandbox.cluster.objects import condition, name_of, stamp, status_of, uid_of
from sandbox.common import Json


def is_complete(deployment: Json, status: Json) -> bool:
    wanted = deployment["spec"]["replicas"]
    counters = ("updatedReplicas", "replicas", "availableReplicas")
    observed = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    return observed and all(status.get(name, 0) == wanted for name in counters)


def _progressing(old: Json, new: Json) -> bool:
    def number(status: Json, name: str) -> int:
        return int(status.get(name, 0))

    old_left = number(old, "replicas") - number(old, "updatedReplicas")
    new_left = number(new, "replicas") - number(new, "updatedReplicas")
    grown = any(
        number(new, name) > number(old, name)
        for name in ("updatedReplicas", "readyReplicas", "availableReplicas")
    )
    return grown or new_left < old_left


class Progress:
    """Writes the status; keeps, by the loop's clock, when each Deployment last progressed."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._last: dict[str, float] = {}

    def report(self, deployment: Json, sets: Sets, created: Json | None) -> None:
        """Write the status. `created` is the ReplicaSet that this reconciliation created."""
        status = _counters(deployment, sets)
        conditions = [self._available(deployment, status)]
        if progressing := self._progress(deployment, sets, status, created):
            conditions.append(progressing)
        self._tools.set_status(deployment, status | {"conditions": conditions})

    def _available(self, deployment: Json, status: Json) -> Json:
        size, rolling = deployment["spec"]["replicas"], deployment["spec"]["strategy"].get("rollingUpdate")
        slack = scaled(rolling["maxUnavailable"], size, up=False) if rolling else 0
        if rolling and not slack and not scaled(rolling["maxSurge"], size, up=True):
            slack = 1
        if status.get("availableReplicas", 0) >= size - slack:
            why = ("MinimumReplicasAvailable", "Deployment has minimum availability.")
            return self._condition(deployment, "Available", "True", *why)
        why = ("MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
        return self._condition(deployment, "Available", "False", *why)

    def _progress(self, deployment: Json, sets: Sets, status: Json, created: Json | None) -> Json | None:
        """Return the condition Progressing, by `syncRolloutStatus` of pkg/controller/deployment."""
        if "progressDeadlineSeconds" not in deployment["spec"]:
            return None
        now, uid = self._tools.now(), uid_of(deployment)
        current = condition(deployment, "Progressing")
        reason = current["reason"] if current else None
        if deployment["spec"].get("paused"):
            if reason == "ProgressDeadlineExceeded":
                return current
            return self._condition(
                deployment, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused"
            )
        subject = f'ReplicaSet "{name_of(sets.new)}"' if sets.new else f'Deployment "{name_of(deployment)}"'
        if created or current is None or reason == "DeploymentPaused":
            self._last[uid] = now
            current = self._first(deployment, sets, reason, created)
            reason = current["reason"]
        elif reason == "NewReplicaSetAvailable" and status.get("replicas") == status.get("updatedReplicas"):
            return current
        if is_complete(deployment, status):
            message = f"{subject} has successfully progressed."
            return self._condition(deployment, "Progressing", "True", "NewReplicaSetAvailable", message)
        if _progressing(status_of(deployment), status):
            self._last[uid] = now
            message = f"{subject} is progressing."
            return self._condition(
                deployment, "Progressing", "True", "ReplicaSetUpdated", message, moved=True
            )
        if reason == "NewReplicaSetAvailable":
            return current
        return self._timed_out(deployment, current, subject)

    def _first(self, deployment: Json, sets: Sets, reason: str | None, created: Json | None) -> Json:
        if created:
            why = ("NewReplicaSetCreated", f'Created new replica set "{name_of(created)}"')
        elif reason == "DeploymentPaused":
            why = ("DeploymentResumed", "Deployment is resumed")
        else:
            why = ("FoundNewReplicaSet", f'Found new replica set "{name_of(sets.new)}"' if sets.new else "")
        status = "Unknown" if why[0] == "DeploymentResumed" else "True"
        return self._condition(deployment, "Progressing", status, *why, moved=True)

    def _timed_out(self, deployment: Json, current: Json, subject: str) -> Json:
        uid, now = uid_of(deployment), self._tools.now()
        seconds = deployment["spec"]["progressDeadlineSeconds"] * self._tools.scale
        left = self._last.setdefault(uid, now) + seconds - now
        if current["reason"] != "ProgressDeadlineExceeded" and left > 0:
            self._tools.again(key_of(deployment), left)
            return current
        why = ("ProgressDeadlineExceeded", f"{subject} has timed out progressing.")
        return self._condition(deployment, "Progressing", "False", *why)

    def _condition(
        self, deployment: Json, kind: str, status: str, reason: str, message: str, *, moved: bool = False
    ) -> Json:
        """Return a condition that keeps its times until it changes; `moved` renews the update time."""
        now = stamp(self._tools.store.clock())
        old = condition(deployment, kind) or {"status": None, "reason": None}
        same = old["status"] == status and old["reason"] == reason
        return {
            "type": kind,
            "status": status,
            "reason": reason,
            "message": message,
            "lastUpdateTime": old["lastUpdateTime"] if same and not moved else now,
            "lastTransitionTime": old["lastTransitionTime"] if old["status"] == status else now,
        }


def _counters(deployment: Json, sets: Sets) -> Json:
    available = replicasets.count(sets.all, "availableReplicas")
    status = {
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": replicasets.count(sets.all, "replicas"),
        "updatedReplicas": replicasets.count([sets.new] if sets.new else [], "replicas"),
        "readyReplicas": replicasets.count(sets.all, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, replicasets.replicas(sets.all) - available),
        "terminatingReplicas": replicasets.count(sets.all, "terminatingReplicas"),
    }
    return without_zeros(status, "terminatingReplicas")
