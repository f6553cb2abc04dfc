"""Which pods misbehave: by an annotation of their template, or by order for a namespace."""

from __future__ import annotations

from typing import Any

from sandbox.cluster.pod_faults import FAULT, FAULTS

Json = dict[str, Any]


class Behavior:
    """What pods that start from now on do: ok, never-ready, crash-loop, image-pull or hang."""

    def __init__(self) -> None:
        self._ordered: dict[str, str] = {}

    def order(self, namespace: str, behavior: str | None) -> None:
        """For all pods of a namespace; None heals. Raises ValueError for an unknown behaviour."""
        if behavior is None:
            self._ordered.pop(namespace, None)
        elif behavior in FAULTS:
            self._ordered[namespace] = behavior
        else:
            raise ValueError(f"{behavior!r} is none of {', '.join(FAULTS)}")

    def of(self, pod: Json) -> str:
        meta = pod["metadata"]
        written = (meta.get("annotations") or {}).get(FAULT, "ok")
        return self._ordered.get(meta["namespace"], str(written))
