"""How far a workload's rollout is: kubectl's rule, and what that rule is too weak for.

Source: `kubectl rollout status` (kubectl/pkg/polymorphichelpers/rollout_status.go), compared with it
on live rollouts of Kubernetes 1.36.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rotator.kube.client.responses import Json
from rotator.kube.targets.pods import is_ready, mark_of

_ORDINARY = frozenset({"ContainerCreating", "PodInitializing"})
_IMAGE = frozenset({"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"})
_MANY = 3


@dataclass(frozen=True, slots=True)
class Rollout:
    """complete: the controller has nothing left to do; pods may be on their way out. idle: no pod is
    meant to run.

    failed: a Deployment exceeded its progress deadline (the other kinds have none).
    note: what it waits for, for people.
    """

    complete: bool
    failed: bool
    idle: bool
    note: str


def rollout(workload: Json, pods: Sequence[Json]) -> Rollout:
    """Return how far the rollout of a raw Deployment, StatefulSet or DaemonSet is."""
    kind, status = workload["kind"], workload.get("status") or {}
    idle = _wanted(workload) == 0
    if _count(status, "observedGeneration") < workload["metadata"].get("generation", 1):
        return Rollout(False, False, idle and kind != "DaemonSet", "the controller has not seen it yet")
    wait = {"Deployment": _deployment, "StatefulSet": _stateful_set, "DaemonSet": _daemon_set}[kind](workload)
    wait = wait or _old_revision(workload, pods)
    failed = kind == "Deployment" and _deadline_exceeded(status)
    coming = _unready(workload, pods) if wait and "ready" not in wait else ""
    note = "; ".join(part for part in (wait, coming, _leaving(pods), *troubles(pods)) if part)
    return Rollout(not wait, failed, idle, note)


def _deployment(workload: Json) -> str:
    status, wanted = workload.get("status") or {}, _wanted(workload)
    updated, available = _count(status, "updatedReplicas"), _count(status, "availableReplicas")
    old = _count(status, "replicas") - updated
    if _deadline_exceeded(status):
        return "exceeded its progress deadline"
    if workload["spec"].get("paused") and (updated < wanted or old > 0):
        return "paused: resume it"
    if updated < wanted:
        return f"{updated} of {wanted} pods are new"
    if old > 0:
        return f"{old} old {_pods(old)} to go"
    if available < updated:
        return f"{available} of {updated} new pods ready"
    return ""


def _stateful_set(workload: Json) -> str:
    status, wanted = workload.get("status") or {}, _wanted(workload)
    strategy = workload["spec"].get("updateStrategy") or {}
    rolling = strategy.get("rollingUpdate")
    partition = (rolling or {}).get("partition") or 0
    updated, ready = _count(status, "updatedReplicas"), _count(status, "readyReplicas")
    if updated < wanted and strategy.get("type") == "OnDelete":
        return "updateStrategy OnDelete: delete its pods yourself"
    if ready < wanted:
        return f"{ready} of {wanted} pods ready"
    if wanted - partition <= updated < wanted:
        return f"updateStrategy partition {partition}: the pods below it keep what they have"
    if updated < wanted:
        return f"{updated} of {wanted} pods are new"
    if strategy.get("type", "RollingUpdate") == "RollingUpdate" and rolling is None:
        same = status.get("updateRevision") == status.get("currentRevision")
        return "" if same else "the new revision is not the current one yet"
    return ""


def _daemon_set(workload: Json) -> str:
    status, wanted = workload.get("status") or {}, _wanted(workload)
    updated, available = _count(status, "updatedNumberScheduled"), _count(status, "numberAvailable")
    strategy = workload["spec"].get("updateStrategy") or {}
    if updated < wanted and strategy.get("type") == "OnDelete":
        return "updateStrategy OnDelete: delete its pods yourself"
    if updated < wanted:
        return f"{updated} of {wanted} pods are new"
    if available < wanted:
        return f"{available} of {wanted} pods ready"
    return ""


def _old_revision(workload: Json, pods: Sequence[Json]) -> str:
    """A partitioned StatefulSet counts as done for kubectl while pods of another revision run."""
    revision = (workload.get("status") or {}).get("updateRevision")
    if workload["kind"] != "StatefulSet" or not revision:
        return ""
    label = "controller-revision-hash"
    old = sum((pod["metadata"].get("labels") or {}).get(label, revision) != revision for pod in pods)
    return f"{old} {_pods(old)} of another revision" if old else ""


def _unready(workload: Json, pods: Sequence[Json]) -> str:
    """Say how many of the pods that carry the template's mark are ready, unless all are."""
    mark = mark_of(workload["spec"]["template"].get("metadata") or {})
    new = [is_ready(pod.get("status") or {}) for pod in pods if mark_of(pod["metadata"]) == mark]
    return "" if all(new) else f"{sum(new)} of {len(new)} new pods ready"


def _leaving(pods: Sequence[Json]) -> str:
    """They take as long as their grace period, and for ever on a node that is gone; not every server counts
    them in the workload's status.
    """
    leaving = sum("deletionTimestamp" in pod["metadata"] for pod in pods)
    return f"{leaving} {_pods(leaving)} terminating" if leaving else ""


def troubles(pods: Iterable[Json]) -> list[str]:
    """Return why pods do not come up, as `name: reason`, at most three of them."""
    found = [f"{pod['metadata']['name']}: {why}" for pod in pods if (why := _trouble(pod))]
    return found[:_MANY] + ([f"{len(found) - _MANY} more"] if len(found) > _MANY else [])


def _trouble(pod: Json) -> str:
    status = pod.get("status") or {}
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        reason = ((container.get("state") or {}).get("waiting") or {}).get("reason") or ""
        if reason in _IMAGE:
            return f"waiting for image ({reason})"
        if reason and reason not in _ORDINARY:
            return str(reason)
    for condition in status.get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return str(condition.get("reason") or "not scheduled")
    return ""


def _wanted(workload: Json) -> int:
    if workload["kind"] == "DaemonSet":
        return _count(workload.get("status") or {}, "desiredNumberScheduled")
    replicas = workload["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


def _deadline_exceeded(status: Json) -> bool:
    return any(
        condition["type"] == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded"
        for condition in status.get("conditions") or []
    )


def _count(status: Json, field: str) -> int:
    return int(status.get(field) or 0)


def _pods(count: int) -> str:
    return "pod" if count == 1 else "pods"
