"""Deployments: roll from old ReplicaSets to the new one, by the rules of pkg/controller/deployment."""

from __future__ import annotations

from sandbox.cluster.controllers import progress, replicasets
from sandbox.cluster.controllers.common import Tools, key_of, scaled
from sandbox.cluster.controllers.replicasets import Sets
from sandbox.cluster.objects import is_terminating, name_of, namespace_of, status_of
from sandbox.cluster.resources import BY_PLURAL
from sandbox.common import Json


class DeploymentController:
    """Reconciles Deployments; its only state is when each last progressed."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._progress = progress.Progress(tools)

    def sync(self, deployment: Json) -> None:
        """Scale at most once, then write the status. Each scaling triggers the next reconciliation."""
        if is_terminating(deployment):
            return
        created = None
        sets = replicasets.read(self._tools, deployment)
        if deployment["spec"].get("paused"):
            self._scale_paused(deployment, sets)
        else:
            replicasets.bring_to_top(self._tools, sets)
            created = self._roll(deployment, sets)
        sets = replicasets.read(self._tools, deployment)
        if sets.new:
            replicasets.mark_deployment(self._tools, deployment, sets.new)
        current = self._tools.store.get(key_of(deployment))
        if current:
            self._progress.report(current, sets, created)
            self._clean_up(current, sets)

    def _roll(self, deployment: Json, sets: Sets) -> Json | None:
        """Return the ReplicaSet that this step created, or None."""
        if deployment["spec"]["strategy"]["type"] == "Recreate":
            return self._recreate(deployment, sets)
        if sets.new is None:
            return self._create(deployment, sets, new_size(deployment, sets))
        size = new_size(deployment, sets)
        if sets.new["spec"]["replicas"] != size:
            replicasets.scale(self._tools, deployment, sets.new, size)
        else:
            self._shrink_old(deployment, sets, sets.new)
        return None

    def _create(self, deployment: Json, sets: Sets, size: int) -> Json:
        new = replicasets.create(self._tools, deployment, sets, size)
        replicasets.announce(self._tools, deployment, new, 0, size)
        return new

    def _recreate(self, deployment: Json, sets: Sets) -> Json | None:
        for old in sets.old:
            replicasets.scale(self._tools, deployment, old, 0)
        if any(self._tools.pods_of(old) for old in sets.old):
            return None
        if sets.new is None:
            return self._create(deployment, sets, deployment["spec"]["replicas"])
        replicasets.scale(self._tools, deployment, sets.new, deployment["spec"]["replicas"])
        return None

    def _shrink_old(self, deployment: Json, sets: Sets, new: Json) -> None:
        """reconcileOldReplicaSets: first the unhealthy old pods, then as many as availability allows."""
        if not replicasets.replicas(sets.old):
            return
        least = deployment["spec"]["replicas"] - bounds(deployment)[1]
        not_yet = new["spec"]["replicas"] - status_of(new).get("availableReplicas", 0)
        budget = replicasets.replicas(sets.all) - least - not_yet
        if budget <= 0:
            return
        spare = max(0, replicasets.count(sets.all, "availableReplicas") - least)
        for old in sets.old:
            size = old["spec"]["replicas"]
            unhealthy = min(budget, max(0, size - status_of(old).get("availableReplicas", 0)))
            healthy = min(size - unhealthy, spare)
            budget, spare = budget - unhealthy, spare - healthy
            replicasets.scale(self._tools, deployment, old, size - unhealthy - healthy)

    def _scale_paused(self, deployment: Json, sets: Sets) -> None:
        active = [one for one in sets.all if one["spec"]["replicas"]] or sets.all[-1:]
        if len(active) == 1:
            replicasets.scale(self._tools, deployment, active[0], deployment["spec"]["replicas"])

    def _clean_up(self, deployment: Json, sets: Sets) -> None:
        """Delete old ReplicaSets beyond the history limit once the rollout is complete."""
        if not progress.is_complete(deployment, status_of(deployment)):
            return
        spent = [
            one for one in sets.old if not one["spec"]["replicas"] and not status_of(one).get("replicas")
        ]
        spent.sort(key=replicasets.revision)
        for one in spent[: max(0, len(spent) - deployment["spec"]["revisionHistoryLimit"])]:
            self._tools.registry.delete(BY_PLURAL["replicasets"], namespace_of(one), name_of(one))


def bounds(deployment: Json) -> tuple[int, int]:
    """Return (maxSurge, maxUnavailable) in pods: surge rounds up, unavailable down, never both 0."""
    size, rolling = deployment["spec"]["replicas"], deployment["spec"]["strategy"].get("rollingUpdate")
    if rolling is None:
        return 0, 0
    surge = scaled(rolling["maxSurge"], size, up=True)
    unavailable = scaled(rolling["maxUnavailable"], size, up=False)
    return surge, unavailable if surge or unavailable else 1


def new_size(deployment: Json, sets: Sets) -> int:
    """Return the size of the new ReplicaSet, as far as the surge allows (NewRSNewReplicas)."""
    wanted = int(deployment["spec"]["replicas"])
    present = int(sets.new["spec"]["replicas"]) if sets.new else 0
    if present >= wanted:
        return wanted
    room = wanted + bounds(deployment)[0] - replicasets.replicas(sets.all)
    return present + max(0, min(room, wanted - present))
