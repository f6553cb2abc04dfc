"""How far a workload's rollout is, by a stricter rule than kubectl's.

Source: `kubectl rollout status` (kubectl/pkg/polymorphichelpers/rollout_status.go), compared with it
on live rollouts of Kubernetes 1.36.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rotator.kube.client.responses import Json
from rotator.kube.targets.pods import is_ready, token_annotation

_NORMAL_REASONS = frozenset({"ContainerCreating", "PodInitializing"})
_IMAGE_REASONS = frozenset({"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"})
_MAX_NAMED = 3
"""Failing pods that a note names at most; it counts the others."""


@dataclass(frozen=True, slots=True)
class RolloutStatus:
    """complete: the controller has nothing left to do; pods may be terminating.

    failed: a Deployment exceeded its progress deadline (the other kinds have none).
    idle: no pod is meant to run. note: what the rollout waits for, as a text for operators.
    """

    complete: bool
    failed: bool
    idle: bool
    note: str


def rollout_status(workload: Json, pods: Sequence[Json]) -> RolloutStatus:
    """Return how far the rollout of a raw Deployment, StatefulSet or DaemonSet is."""
    kind, status = workload["kind"], workload.get("status") or {}
    idle = _wanted(workload) == 0
    if _count(status, "observedGeneration") < workload["metadata"].get("generation", 1):
        return RolloutStatus(False, False, idle and kind != "DaemonSet", "the controller has not seen it yet")
    wait = {"Deployment": _deployment, "StatefulSet": _stateful_set, "DaemonSet": _daemon_set}[kind](workload)
    wait = wait or _old_revision(workload, pods)
    failed = kind == "Deployment" and _deadline_exceeded(status)
    unready = _unready(workload, pods) if wait and "ready" not in wait else ""
    note = "; ".join(part for part in (wait, unready, _terminating(pods), *pod_failures(pods)) if part)
    return RolloutStatus(not wait, failed, idle, note)


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
    """Return how many pods of another revision run: kubectl ignores them in a partitioned StatefulSet."""
    revision = (workload.get("status") or {}).get("updateRevision")
    if workload["kind"] != "StatefulSet" or not revision:
        return ""
    label = "controller-revision-hash"
    old = sum((pod["metadata"].get("labels") or {}).get(label, revision) != revision for pod in pods)
    return f"{old} {_pods(old)} of another revision" if old else ""


def _unready(workload: Json, pods: Sequence[Json]) -> str:
    """Return how many of the pods with the template's token annotation are ready, unless all are."""
    token = token_annotation(workload["spec"]["template"].get("metadata") or {})
    new = [is_ready(pod.get("status") or {}) for pod in pods if token_annotation(pod["metadata"]) == token]
    return "" if all(new) else f"{sum(new)} of {len(new)} new pods ready"


def _terminating(pods: Sequence[Json]) -> str:
    """Return how many pods are terminating: for their grace period, or for ever on a node that is gone. Not
    every server counts them in the workload's status.
    """
    terminating = sum("deletionTimestamp" in pod["metadata"] for pod in pods)
    return f"{terminating} {_pods(terminating)} terminating" if terminating else ""


def pod_failures(pods: Iterable[Json]) -> list[str]:
    """Return why pods do not come up, as `name: reason`, at most three of them."""
    failures = [f"{pod['metadata']['name']}: {why}" for pod in pods if (why := _pod_failure(pod))]
    more = len(failures) - _MAX_NAMED
    return failures[:_MAX_NAMED] + ([f"{more} more"] if more > 0 else [])


def _pod_failure(pod: Json) -> str:
    status = pod.get("status") or {}
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        reason = ((container.get("state") or {}).get("waiting") or {}).get("reason") or ""
        if reason in _IMAGE_REASONS:
            return f"waiting for image ({reason})"
        if reason and reason not in _NORMAL_REASONS:
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
