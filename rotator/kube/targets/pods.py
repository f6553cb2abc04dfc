"""Makes pods of raw JSON: which token they were made for, since when they run, whether they work."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime

from rotator.core.observation import Pod
from rotator.kube.client.responses import Json
from rotator.kube.targets.annotations import PREFIX, read_time
from rotator.kube.targets.secret_format import readers

TOKEN_ANNOTATION = PREFIX + "token"
"""Annotation of pod templates, and so of pods: the fingerprint of the token that they are to run."""


def token_annotation(meta: Json) -> str | None:
    """Return the token annotation in the metadata of a pod or of a pod template."""
    fingerprint: str | None = (meta.get("annotations") or {}).get(TOKEN_ANNOTATION)
    return fingerprint


def pod_of(pod: Json, secret: str, key: str) -> Pod:
    """Return the pod as core sees it. started_at: of the containers that read key of secret."""
    meta, status = pod["metadata"], pod.get("status") or {}
    names = readers(pod["spec"], secret, key) or {c["name"] for c in pod["spec"]["containers"]}
    main = [c for c in status.get("containerStatuses") or [] if c["name"] in names]
    init = [c for c in status.get("initContainerStatuses") or [] if c["name"] in names]
    starts = sorted(at for container in (*init, *main) if (at := _started(container)))
    running = bool(starts) and all("running" in (c.get("state") or {}) for c in main)
    works = running and status.get("phase") == "Running" and is_ready(status)
    started = starts[0] if starts else read_time(meta["creationTimestamp"])
    instance, terminating = _instance(meta, [*init, *main]), "deletionTimestamp" in meta
    return Pod(meta["name"], token_annotation(meta), started, works, instance, terminating)


def unfinished(pods: Iterable[Json]) -> list[Json]:
    """Return the pods that run or may run, terminating ones included, evicted ones not."""
    return [pod for pod in pods if (pod.get("status") or {}).get("phase") not in {"Succeeded", "Failed"}]


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
    replica_set = f"{workload['metadata']['name']}-{digest}"
    return bool(owner.get("kind") == "ReplicaSet" and owner.get("name") == replica_set)


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
