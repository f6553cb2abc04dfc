"""Which pods misbehave, and how: by an annotation of the pod template, or by hand for a workload."""

from __future__ import annotations

from sandbox.cluster.objects import annotations_of, controller_of, namespace_of
from sandbox.cluster.resources import Json
from sandbox.cluster.store import Store

BEHAVIOR = "sandbox/behavior"
BEHAVIORS = ("ok", "never-ready", "crash-loop", "image-pull", "hang")


class Sickness:
    """What was ordered for workloads by hand; it overrides the template's annotation."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ordered: dict[tuple[str, str], str] = {}

    def order(self, namespace: str, workload: str, behavior: str | None) -> None:
        """Pods of `workload` that start from now on behave so; None heals.

        Raises:
            ValueError: no such behaviour.
        """
        if behavior is None:
            self._ordered.pop((namespace, workload), None)
        elif behavior in BEHAVIORS:
            self._ordered[namespace, workload] = behavior
        else:
            raise ValueError(f"{behavior!r} is none of {', '.join(BEHAVIORS)}")

    def of(self, pod: Json) -> str:
        name = self._workload(pod)
        ordered = self._ordered.get((namespace_of(pod), name)) if name else None
        return ordered or annotations_of(pod).get(BEHAVIOR, "ok")

    def _workload(self, pod: Json) -> str | None:
        owner = controller_of(pod)
        if owner and owner["kind"] == "ReplicaSet":
            replica_set = self._store.get(("replicasets", namespace_of(pod), owner["name"]))
            owner = (controller_of(replica_set) if replica_set else None) or owner
        return str(owner["name"]) if owner else None
