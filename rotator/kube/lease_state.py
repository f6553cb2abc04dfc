"""The JSON of a Lease: its holder and version, the count of restores, the condemned keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rotator.core.records import Key
from rotator.kube.client.connection import FIELD_MANAGER
from rotator.kube.client.responses import Json
from rotator.kube.targets.annotations import PREFIX, read_time

RESTORES, LAST_RESTORED_AT = PREFIX + "repairs", PREFIX + "repaired-at"
CONDEMNED = PREFIX + "condemned"


@dataclass(frozen=True, slots=True)
class LeaseState:
    """A Lease as it was read. version None: it does not exist yet. holder "": free. duration: seconds."""

    version: str | None
    holder: str = ""
    restores: int = 0
    last_restored_at: datetime | None = None
    transitions: int = 0
    duration: float = 0.0
    condemned: frozenset[Key] = frozenset()


def read_lease(answer: Json) -> LeaseState:
    """Return the state of the Lease with this JSON; `{}`: it does not exist."""
    if not answer:
        return LeaseState(None)
    meta, spec = answer["metadata"], answer.get("spec") or {}
    annotations = meta.get("annotations") or {}
    try:
        restores, at = int(annotations.get(RESTORES, "0")), annotations.get(LAST_RESTORED_AT)
        last_restored_at = read_time(at) if at else None
    except ValueError:
        restores, last_restored_at = 0, None
    return LeaseState(
        meta["resourceVersion"],
        spec.get("holderIdentity") or "",
        restores,
        last_restored_at,
        int(spec.get("leaseTransitions") or 0),
        float(spec.get("leaseDurationSeconds") or 0),
        frozenset(key for key in Key if key in annotations.get(CONDEMNED, "").split(",")),
    )


def new_lease(namespace: str, name: str, spec: Json) -> Json:
    """Return the JSON of a Lease to create."""
    labels = {"app.kubernetes.io/managed-by": FIELD_MANAGER}
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": spec,
    }
