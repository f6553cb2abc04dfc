"""Makes pods of raw JSON: which token's mark they carry, since when they run, whether they work."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime

from rotator.core.observation import Pod
from rotator.kube.client.responses import Json
from rotator.kube.targets.annotations import PREFIX, read_time
from rotator.kube.targets.secret_format import readers

MARK = PREFIX + "token"
"""Annotation of pod templates, and so of pods: the fingerprint of the token that they shall run."""


def mark_of(meta: Json) -> str | None:
    """Return the mark in an object's metadata."""
    mark: str | None = (meta.get("annotations") or {}).get(MARK)
    return mark


def pod_of(pod: Json, secret: str, key: str) -> Pod:
    """Return the pod as the plan sees it. started_at counts the containers that read key of secret."""
    meta, status = pod["metadata"], pod.get("status") or {}
    reading = readers(pod["spec"], secret, key) or {c["name"] for c in pod["spec"]["containers"]}
    own = [s for s in status.get("containerStatuses") or [] if s["name"] in reading]
    early = [s for s in status.get("initContainerStatuses") or [] if s["name"] in reading]
    starts = sorted(at for s in (*early, *own) if (at := _started(s)))
    running = bool(starts) and all("running" in (s.get("state") or {}) for s in own)
    works = running and status.get("phase") == "Running" and is_ready(status)
    started = starts[0] if starts else read_time(meta["creationTimestamp"])
    instance, leaving = _instance(meta, [*early, *own]), "deletionTimestamp" in meta
    return Pod(meta["name"], mark_of(meta), started, works, instance, leaving)


def unfinished(pods: Iterable[Json]) -> list[Json]:
    """Return the pods that run or may run; terminating ones do. Evicted ones and such do not."""
    return [p for p in pods if (p.get("status") or {}).get("phase") not in {"Succeeded", "Failed"}]


def belongs(pod: Json, workload: Json) -> bool:
    """Whether workload's controller made pod.

    A Deployment's pods belong to ReplicaSets; those are called `<deployment>-<pod-template-hash>`,
    so no list of ReplicaSets is needed (source: kubernetes/pkg/controller/deployment/sync.go).
    """
    meta = pod["metadata"]
    owner = next((o for o in meta.get("ownerReferences") or [] if o.get("controller")), None)
    if owner is None:
        return False
    if workload["kind"] != "Deployment":
        return bool(owner.get("uid") == workload["metadata"]["uid"])
    digest = (meta.get("labels") or {}).get("pod-template-hash")
    made = f"{workload['metadata']['name']}-{digest}"
    return bool(owner.get("kind") == "ReplicaSet" and owner.get("name") == made)


def _instance(meta: Json, containers: Iterable[Json]) -> str:
    """Return eight hex digits for this pod with these very containers; empty if one has no id yet.

    A container that is started anew gets a new id (source: ContainerStatus.containerID).
    """
    ids = [c.get("containerID") or "" for c in containers]
    if not ids or not all(ids):
        return ""
    return hashlib.sha256("|".join([meta["uid"], *ids]).encode()).hexdigest()[:8]


def _started(container: Json) -> datetime | None:
    """Return when the container last started; it reads the Secret each time."""
    state, before = container.get("state") or {}, container.get("lastState") or {}
    for known in (state.get("running"), state.get("terminated"), before.get("terminated")):
        if known and known.get("startedAt"):
            return read_time(known["startedAt"])
    return None


def is_ready(status: Json) -> bool:
    """Whether a pod's status says Ready."""
    return any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or [])
