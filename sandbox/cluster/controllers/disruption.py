"""PodDisruptionBudgets: how many disruptions are allowed, by pkg/controller/disruption/disruption.go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sandbox.cluster.controllers.common import Tools, key_of, scaled
from sandbox.cluster.eviction import selects
from sandbox.cluster.objects import (
    condition,
    controller_of,
    is_ready,
    is_terminating,
    name_of,
    namespace_of,
    stamp,
    status_of,
)
from sandbox.cluster.resources import BY_KIND
from sandbox.common import Json

DELETED_WITHIN = timedelta(minutes=2)
"""Time after which an evicted pod that is not terminating counts again."""
_SCALED = ("Deployment", "StatefulSet", "ReplicaSet")


class _SyncFailedError(Exception):
    """The expected number of pods is unknown; the budget then allows no disruption."""


def sync(tools: Tools, budget: Json) -> None:
    """Compute the status and write it."""
    if is_terminating(budget):
        return
    pods = [pod for pod in tools.store.all("pods", namespace_of(budget)) if selects(budget, pod)]
    try:
        expected, desired = _expected(tools, budget, pods)
    except _SyncFailedError as failure:
        status = status_of(budget) | {"disruptionsAllowed": 0}
        tools.set_status(budget, status | _condition(tools, budget, status, str(failure)))
        return
    disrupted = _disrupted(tools, budget, pods)
    healthy = sum(is_ready(pod) and not is_terminating(pod) and name_of(pod) not in disrupted for pod in pods)
    allowed = max(0, healthy - desired) if expected > 0 else 0
    status = {
        "observedGeneration": budget["metadata"]["generation"],
        "disruptionsAllowed": allowed,
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "expectedPods": expected,
    }
    if disrupted:
        status["disruptedPods"] = disrupted
        tools.again(key_of(budget), DELETED_WITHIN.total_seconds())
    tools.set_status(budget, status | _condition(tools, budget, status))


def _expected(tools: Tools, budget: Json, pods: list[Json]) -> tuple[int, int]:
    """Return the expected number of pods and how many of them must be healthy."""
    spec = budget["spec"]
    if (most := spec.get("maxUnavailable")) is not None:
        expected = _scale(tools, pods)
        return expected, max(0, expected - scaled(most, expected, up=True))
    least = spec.get("minAvailable")
    if isinstance(least, int):
        return len(pods), least
    if least is not None:
        expected = _scale(tools, pods)
        return expected, scaled(least, expected, up=True)
    return 0, 0


def _scale(tools: Tools, pods: list[Json]) -> int:
    """Return the replicas that the pods' controllers want; pods without a controller do not count."""
    wanted: dict[str, int] = {}
    for pod in pods:
        if controller_of(pod):
            owner = _scalable(tools, pod)
            wanted[owner["metadata"]["uid"]] = owner["spec"]["replicas"]
    return sum(wanted.values())


def _scalable(tools: Tools, pod: Json) -> Json:
    owner: Json | None = pod
    while owner and (reference := controller_of(owner)):
        kind = BY_KIND.get(reference["kind"])
        owner = tools.store.get((kind.plural, namespace_of(pod), reference["name"])) if kind else None
    if owner is None:
        raise _SyncFailedError(f'found no controllers for pod "{name_of(pod)}"')
    if owner["kind"] not in _SCALED:
        resource = BY_KIND[owner["kind"]]
        raise _SyncFailedError(f"{resource.qualified} does not implement the scale subresource")
    return owner


def _disrupted(tools: Tools, budget: Json, pods: list[Json]) -> dict[str, str]:
    """Return the evicted pods whose deletion has not been observed yet."""
    living = {name_of(pod) for pod in pods if not is_terminating(pod)}
    since = tools.store.clock() - DELETED_WITHIN
    noted: dict[str, str] = status_of(budget).get("disruptedPods") or {}
    return {
        name: at
        for name, at in noted.items()
        if name in living and datetime.fromisoformat(at).astimezone(UTC) > since
    }


def _condition(tools: Tools, budget: Json, status: Json, failure: str = "") -> Json:
    allowed = status["disruptionsAllowed"] > 0
    reason = "SyncFailed" if failure else "SufficientPods" if allowed else "InsufficientPods"
    word = "True" if allowed else "False"
    before = condition(budget, "DisruptionAllowed") or {}
    changed = stamp(tools.store.clock())
    entry: Json = {
        "type": "DisruptionAllowed",
        "status": word,
        "reason": reason,
        "message": failure,
        "lastTransitionTime": before["lastTransitionTime"] if before.get("status") == word else changed,
    }
    if "observedGeneration" in status:
        entry["observedGeneration"] = status["observedGeneration"]
    return {"conditions": [entry]}
