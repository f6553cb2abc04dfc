"""Which pods fail, and how: by an annotation of the pod template, or by a fault set for a workload."""

from __future__ import annotations

from sandbox.cluster.objects import annotations_of, controller_of, namespace_of
from sandbox.cluster.store import Store
from sandbox.common import Json

FAULT = "sandbox/pod-fault"
"""The annotation of a pod template that names a fault."""
FAULTS = ("never-ready", "crash-loop", "image-pull", "hang")


class PodFaults:
    """The faults set for workloads; one overrides the template's annotation."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._faults: dict[tuple[str, str], str] = {}

    def set(self, namespace: str, workload: str, fault: str | None) -> None:
        """Pods of `workload` that start from now on have this fault; None removes it.

        Raises:
            ValueError: there is no such fault.
        """
        if fault is None:
            self._faults.pop((namespace, workload), None)
        elif fault in FAULTS:
            self._faults[namespace, workload] = fault
        else:
            raise ValueError(f"fault must be one of {', '.join(FAULTS)}; {fault!r} is not")

    def of(self, pod: Json) -> str | None:
        """Return the fault of a pod that starts now."""
        workload = self._workload(pod)
        fault = self._faults.get((namespace_of(pod), workload)) if workload else None
        return fault or annotations_of(pod).get(FAULT)

    def _workload(self, pod: Json) -> str | None:
        owner = controller_of(pod)
        if owner and owner["kind"] == "ReplicaSet":
            replica_set = self._store.get(("replicasets", namespace_of(pod), owner["name"]))
            owner = (controller_of(replica_set) if replica_set else None) or owner
        return str(owner["name"]) if owner else None
