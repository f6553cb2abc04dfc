"""Others who write to the same objects: tools that set back what they think is theirs."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, Self, get_args

from sandbox.cluster import Cluster
from sandbox.names import HOME
from sandbox.sites import Site

Json = dict[str, Any]
What = Literal["value", "template", "whole", "recreate"]
_KINDS = {
    "value": ("Secret",),
    "whole": ("Secret",),
    "recreate": ("Secret",),
    "template": ("Deployment", "StatefulSet", "DaemonSet"),
}


class StrangerError(ValueError):
    """An order that makes no sense; the message says why."""


@dataclass(slots=True, eq=False)
class Fight:
    """One object that a tool sets back to how it was when the fight began; `done` counts how often it did."""

    id: int
    cluster: str
    kind: str
    namespace: str
    name: str
    what: What
    manager: str
    delay: float
    times: int | None
    origin: Json = field(repr=False)
    done: int = 0

    def differs(self, cluster: Cluster) -> bool:
        """Whether somebody changed what is watched over; no, while the object is not there."""
        now = cluster.get(self.kind, self.namespace, self.name)
        return now is not None and _watched(now, self.what) != _watched(self.origin, self.what)

    def set_back(self, cluster: Cluster) -> None:
        """Write it as it was. Annotations of others survive, but for "whole" and "recreate"."""
        now = cluster.get(self.kind, self.namespace, self.name)
        if now is None:
            return
        self.done += 1
        at = (self.kind, self.namespace, self.name)
        match self.what:
            case "value":
                cluster.patch(*at, {"data": _back(now.get("data"), self.origin.get("data"))}, self.manager)
            case "template":
                notes = _back(_marks(now), _marks(self.origin))
                patch = {"spec": {"template": {"metadata": {"annotations": notes}}}}
                cluster.patch(*at, patch, self.manager)
            case "whole":
                cluster.apply(_bare(self.origin), self.manager)
            case "recreate":
                cluster.delete(*at)
                cluster.apply(_bare(self.origin), self.manager)


class Strangers:
    """The tools at work, an async context manager; they stop when it is left."""

    def __init__(self, sites: Mapping[str, Site]) -> None:
        self._sites = sites
        self._ids = itertools.count(1)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self.fights: dict[int, Fight] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks.values():
            task.cancel()
        ended = await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        defects = [one for one in ended if isinstance(one, Exception)]
        if defects and kind is None:
            raise ExceptionGroup("a tool of the sandbox failed", defects)

    def fight(
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
    ) -> Fight:
        """Have a tool set this object back `delay` seconds after each change, up to `times` (None: for ever).

        "value" puts a Secret's data back, "whole" the annotations and labels, too, so that those of others
        are lost; "recreate" deletes the Secret and creates it anew; "template" puts a workload's template
        annotations back. `manager` is its field manager. Raises StrangerError.
        """
        if cluster not in self._sites:
            raise StrangerError(f"no cluster is called {cluster!r}; there are {', '.join(self._sites)}")
        if what not in get_args(What) or kind not in _KINDS[what]:
            raise StrangerError(f"what is one of {get_args(What)}; {what!r} of a {kind} cannot be set back")
        origin = self._sites[cluster].cluster.get(kind, namespace, name)
        if origin is None:
            raise StrangerError(f"there is no {kind} {name} in namespace {namespace}")
        place = (cluster, kind, namespace, name)
        made = Fight(next(self._ids), *place, what, manager, delay, times, origin)
        self.fights[made.id] = made
        self._tasks[made.id] = asyncio.create_task(self._insist(made), name=f"sandbox {manager}")
        return made

    async def stop(self, fight: Fight) -> None:
        """Have the tool leave the object alone from now on."""
        self.fights.pop(fight.id, None)
        if task := self._tasks.pop(fight.id, None):
            task.cancel()
            await asyncio.wait({task})

    async def _insist(self, fight: Fight) -> None:
        cluster = self._sites[fight.cluster].cluster
        while fight.times is None or fight.done < fight.times:
            await cluster.wait_for(fight.differs, timeout=None)
            await asyncio.sleep(fight.delay)
            if fight.differs(cluster):
                fight.set_back(cluster)


def _watched(obj: Json, what: What) -> Json:
    if what == "template":
        return _marks(obj)
    data: Json = obj.get("data") or {}
    if what == "whole":
        meta = obj["metadata"]
        return {"data": data, "annotations": meta.get("annotations"), "labels": meta.get("labels")}
    return data


def _marks(workload: Json) -> Json:
    found: Json = (workload["spec"]["template"].get("metadata") or {}).get("annotations") or {}
    return found


def _back(now: Json | None, then: Json | None) -> Json:
    """A merge patch from one map to another."""
    return dict.fromkeys(set(now or {}) - set(then or {})) | (then or {})


def _bare(obj: Json) -> Json:
    """As a manifest in a repository has it."""
    meta = {k: v for k, v in obj["metadata"].items() if k in {"name", "namespace", "labels", "annotations"}}
    return obj | {"metadata": meta}
