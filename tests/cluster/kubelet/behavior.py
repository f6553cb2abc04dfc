"""Which pods misbehave: by an annotation of their template, or by order for a namespace."""

from __future__ import annotations

from typing import Any

from sandbox.cluster.pod_faults import BEHAVIOR, BEHAVIORS

Json = dict[str, Any]


class Behavior:
    """What pods that start from now on do: ok, never-ready, crash-loop, image-pull or hang."""

    def __init__(self) -> None:
        self._ordered: dict[str, str] = {}

    def order(self, namespace: str, behavior: str | None) -> None:
        """For all pods of a namespace; None heals. Raises ValueError for an unknown behaviour."""
        if behavior is None:
            self._ordered.pop(namespace, None)
        elif behavior in BEHAVIORS:
            self._ordered[namespace] = behavior
        else:
            raise ValueError(f"{behavior!r} is none of {', '.join(BEHAVIORS)}")

    def of(self, pod: Json) -> str:
        meta = pod["metadata"]
        written = (meta.get("annotations") or {}).get(BEHAVIOR, "ok")
        return self._ordered.get(meta["namespace"], str(written))
