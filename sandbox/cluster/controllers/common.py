"""Shared by the workload controllers: tools, template hashes, pods from a template, availability."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.cluster.objects import (
    ALPHABET,
    Key,
    controller_of,
    is_active,
    is_ready,
    is_terminating,
    name_of,
    namespace_of,
    owner_reference,
    uid_of,
)
from sandbox.cluster.recorder import Recorder
from sandbox.cluster.registry import Registry
from sandbox.cluster.resources import BY_KIND, BY_PLURAL
from sandbox.cluster.statuses import ApiError
from sandbox.cluster.store import Store
from sandbox.common import Json


@dataclass(slots=True)
class Tools:
    """The tools of a controller. `again(key, seconds)` reconciles the object once more later.

    `scale` multiplies the seconds in specs (progressDeadlineSeconds, minReadySeconds).
    """

    registry: Registry
    recorder: Recorder
    again: Callable[[Key, float], None]
    scale: float = 1.0
    ready_since: dict[str, float] = field(default_factory=dict)

    @property
    def store(self) -> Store:
        return self.registry.store

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def pods_of(self, owner: Json) -> list[Json]:
        """Return all pods that `owner` controls, including terminating ones, by name."""
        return [pod for pod in self.store.owned_by(uid_of(owner), "pods") if _controls(owner, pod)]

    def available_in(self, pod: Json, min_ready_seconds: int) -> float | None:
        """Return 0 if the pod is available, else the seconds until it is; None while it is not Ready."""
        if not is_ready(pod) or is_terminating(pod):
            self.ready_since.pop(uid_of(pod), None)
            return None
        since = self.ready_since.setdefault(uid_of(pod), self.now())
        return max(0.0, since + min_ready_seconds * self.scale - self.now())

    def create_pod(
        self, owner: Json, template: Json, *, name: str | None = None, labels: dict[str, str]
    ) -> None:
        """Create a pod from the template. A refusal becomes an event, as with a real controller."""
        source = copy.deepcopy(template)
        meta = source.get("metadata") or {}
        named = {"name": name} if name else {"generateName": f"{name_of(owner)}-"}
        pod: Json = {
            "metadata": meta | named | {"labels": (meta.get("labels") or {}) | labels},
            "spec": source["spec"],
        }
        pod["metadata"]["ownerReferences"] = [owner_reference(owner)]
        source_name = f"{owner['kind'].lower()}-controller"
        try:
            created = self.registry.create(BY_PLURAL["pods"], namespace_of(owner), pod)
        except ApiError as error:
            self.recorder.record(
                owner, "FailedCreate", f"Error creating: {error.message}", source_name, "Warning"
            )
        else:
            self.recorder.record(owner, "SuccessfulCreate", f"Created pod: {name_of(created)}", source_name)

    def delete_pod(self, owner: Json, pod: Json) -> None:
        self.registry.delete(BY_PLURAL["pods"], namespace_of(pod), name_of(pod))
        source_name = f"{owner['kind'].lower()}-controller"
        self.recorder.record(owner, "SuccessfulDelete", f"Deleted pod: {name_of(pod)}", source_name)

    def set_status(self, obj: Json, status: Json) -> None:
        """Write the status if it differs."""
        key = key_of(obj)
        self.registry.modify(key, lambda current: current.update(status=status), status=True)


def key_of(obj: Json) -> Key:
    return (BY_KIND[obj["kind"]].plural, namespace_of(obj), name_of(obj))


def _controls(owner: Json, child: Json) -> bool:
    reference = controller_of(child)
    return bool(reference and reference["uid"] == uid_of(owner))


def deletion_rank(pod: Json) -> tuple[bool, bool, str, str]:
    """Return the sort key of pods to delete: not scheduled first, then not Ready, then the youngest."""
    created = pod["metadata"]["creationTimestamp"]
    youth = "".join(chr(158 - ord(char)) for char in created)
    return (bool(pod["spec"].get("nodeName")), is_ready(pod), youth, name_of(pod))


def split_terminating(pods: list[Json]) -> tuple[list[Json], list[Json]]:
    """Return the active pods and the terminating ones."""
    return [pod for pod in pods if is_active(pod)], [pod for pod in pods if is_terminating(pod)]


def template_hash(template: Json) -> str:
    """Return a hash of the template, in the letters that Kubernetes uses."""
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()
    return "".join(ALPHABET[byte % len(ALPHABET)] for byte in digest[:10])


def scaled(value: int | str, total: int, *, up: bool) -> int:
    """Resolve an IntOrString: a number, or a percentage of `total` rounded up or down."""
    if isinstance(value, int):
        return value
    share = int(value.removesuffix("%")) * total / 100
    return math.ceil(share) if up else math.floor(share)


def without_zeros(status: Json, *keep: str) -> Json:
    """Return the status without counters that are 0 (omitempty in Go), except those in `keep`."""
    return {key: value for key, value in status.items() if key in keep or value != 0}
