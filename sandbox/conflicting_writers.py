"""Other tools that write to the same objects and restore what they consider theirs, as GitOps tools do."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal, Self, get_args

from sandbox.cluster import Cluster
from sandbox.cluster_endpoints import ClusterEndpoint
from sandbox.common import WORKLOADS, Json
from sandbox.names import HOME

What = Literal["value", "template", "whole", "recreate"]
_KINDS = {
    "value": ("Secret",),
    "whole": ("Secret",),
    "recreate": ("Secret",),
    "template": WORKLOADS,
}


class ConflictingWriterError(ValueError):
    """A writer that cannot be started; the message says why."""


@dataclass(slots=True, eq=False)
class ConflictingWriter:
    """A tool that restores one object to what it was when the tool started; `restored` counts how often."""

    id: int
    cluster: str
    kind: str
    namespace: str
    name: str
    what: What
    manager: str
    delay: float
    times: int | None
    original: Json = field(repr=False)
    restored: int = 0

    def differs(self, cluster: Cluster) -> bool:
        """Whether another writer changed the part that this tool restores. False without the object."""
        current = cluster.get(self.kind, self.namespace, self.name)
        return current is not None and _part(current, self.what) != _part(self.original, self.what)

    def restore(self, cluster: Cluster) -> None:
        """Write the original part. "whole" and "recreate" also remove the annotations of others."""
        current = cluster.get(self.kind, self.namespace, self.name)
        if current is None:
            return
        self.restored += 1
        key = (self.kind, self.namespace, self.name)
        match self.what:
            case "value":
                data = _merge_patch(current.get("data"), self.original.get("data"))
                cluster.patch(*key, {"data": data}, self.manager)
            case "template":
                annotations = _merge_patch(
                    _template_annotations(current), _template_annotations(self.original)
                )
                patch = {"spec": {"template": {"metadata": {"annotations": annotations}}}}
                cluster.patch(*key, patch, self.manager)
            case "whole":
                cluster.apply(_manifest(self.original), self.manager)
            case "recreate":
                cluster.delete(*key)
                cluster.apply(_manifest(self.original), self.manager)


class ConflictingWriters:
    """All such tools, an async context manager; `active` has them by id. Leaving it stops them."""

    def __init__(self, clusters: Mapping[str, ClusterEndpoint]) -> None:
        self._clusters = clusters
        self._ids = itertools.count(1)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self.active: dict[int, ConflictingWriter] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks.values():
            task.cancel()
        ended = await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        defects = [result for result in ended if isinstance(result, Exception)]
        if defects and kind is None:
            raise ExceptionGroup("a conflicting writer of the sandbox failed", defects)

    def start(
        self,
        kind: str,
        namespace: str,
        name: str,
        *,
        what: What = "value",
        manager: str = "argocd-controller",
        delay: float = 0.05,
        times: int | None = None,
        cluster: str = HOME,
    ) -> ConflictingWriter:
        """Start a tool that restores this object `delay` seconds after each change.

        "value" restores a Secret's data; "whole" also its annotations and labels, so that those of others
        are lost; "recreate" deletes the Secret and creates it again; "template" restores the annotations of
        a workload's template. The tool writes as the field manager `manager` and stops after `times`
        restores (None: never). Raises ConflictingWriterError.
        """
        if cluster not in self._clusters:
            known = ", ".join(self._clusters)
            raise ConflictingWriterError(f"there is no cluster {cluster!r}; the clusters are {known}")
        if what not in get_args(What) or kind not in _KINDS[what]:
            raise ConflictingWriterError(
                f"what must be one of {get_args(What)}; {what!r} of a {kind} cannot be restored"
            )
        original = self._clusters[cluster].cluster.get(kind, namespace, name)
        if original is None:
            raise ConflictingWriterError(f"there is no {kind} {name} in namespace {namespace}")
        place = (cluster, kind, namespace, name)
        writer = ConflictingWriter(next(self._ids), *place, what, manager, delay, times, original)
        self.active[writer.id] = writer
        self._tasks[writer.id] = asyncio.create_task(self._run(writer), name=f"sandbox {manager}")
        return writer

    async def stop(self, writer: ConflictingWriter) -> None:
        """Stop the tool; the object stays as it is."""
        self.active.pop(writer.id, None)
        if task := self._tasks.pop(writer.id, None):
            task.cancel()
            await asyncio.wait({task})

    async def _run(self, writer: ConflictingWriter) -> None:
        cluster = self._clusters[writer.cluster].cluster
        while writer.times is None or writer.restored < writer.times:
            await cluster.wait_for(writer.differs, timeout=None)
            await asyncio.sleep(writer.delay)
            if writer.differs(cluster):
                writer.restore(cluster)


def _part(obj: Json, what: What) -> Json:
    """Return the part of the object that a tool of this kind compares."""
    if what == "template":
        return _template_annotations(obj)
    data: Json = obj.get("data") or {}
    if what == "whole":
        metadata = obj["metadata"]
        return {"data": data, "annotations": metadata.get("annotations"), "labels": metadata.get("labels")}
    return data


def _template_annotations(workload: Json) -> Json:
    found: Json = (workload["spec"]["template"].get("metadata") or {}).get("annotations") or {}
    return found


def _merge_patch(current: Json | None, wanted: Json | None) -> Json:
    """Return the merge patch that turns the first map into the second."""
    return dict.fromkeys(set(current or {}) - set(wanted or {})) | (wanted or {})


def _manifest(obj: Json) -> Json:
    """Return the object as a manifest in a repository has it: without what the server filled in."""
    kept = {"name", "namespace", "labels", "annotations"}
    return obj | {"metadata": {key: value for key, value in obj["metadata"].items() if key in kept}}
