"""Finds the workloads of a target and their pods."""

from __future__ import annotations

from dataclasses import dataclass

from rotator.config import TargetSettings
from rotator.core.observation import Workload
from rotator.kube.client import paths
from rotator.kube.client.responses import Json, NotFound
from rotator.kube.targets.pods import unfinished
from rotator.kube.targets.request_cache import RequestCache
from rotator.kube.targets.secret_format import readers
from rotator.kube.targets.workloads import selector_of, workload_of


@dataclass(frozen=True, slots=True)
class PodList:
    """The pods that a selector finds, as of version."""

    selector: str
    version: str
    pods: list[Json]


@dataclass(frozen=True, slots=True)
class TargetWorkloads:
    """The workloads of a target, as core sees them and raw, and the lists that their pods are from.

    misconfiguration: as in Target.
    """

    workloads: tuple[Workload, ...]
    misconfiguration: str
    raw: tuple[Json, ...]
    pod_lists: tuple[PodList, ...]


def request_workloads(requests: RequestCache, target: TargetSettings) -> None:
    """Send the requests for the target's workloads; `find_workloads` reads the answers."""
    if target.workloads is None:
        for kind in paths.KINDS:
            requests.start(paths.workloads(target.namespace, kind), f"{kind}s in {_where(target)}")
        return
    for reference in target.workloads:
        path = paths.workload(target.namespace, str(reference))
        requests.start(path, f"{reference} in {_where(target)}")


async def find_workloads(requests: RequestCache, target: TargetSettings, key: str) -> TargetWorkloads:
    """Return the workloads whose pods read key of the target's Secret, with their pods.

    Raises:
        Refused: this process may not read them.
        Unavailable: the cluster did not answer.
    """
    raw, misconfigurations = await (
        _listed(requests, target, key) if target.workloads is None else _named(requests, target, key)
    )
    lists = await _pods(requests, target, raw)
    workloads = tuple(workload_of(item, lists[selector_of(item)].pods, target.secret, key) for item in raw)
    if workloads and all(workload.idle for workload in workloads):
        names, verb = ", ".join(w.name for w in workloads), "is" if len(workloads) == 1 else "are"
        misconfigurations.append(f"no pod runs, so nothing proves the token: {names} {verb} scaled to zero")
    return TargetWorkloads(workloads, "; ".join(misconfigurations), tuple(raw), tuple(lists.values()))


async def _named(requests: RequestCache, target: TargetSettings, key: str) -> tuple[list[Json], list[str]]:
    raw, misconfigurations = [], []
    for reference in target.workloads or ():
        path = paths.workload(target.namespace, str(reference))
        try:
            found = await requests.get(path, f"{reference} in {_where(target)}")
        except NotFound:
            misconfigurations.append(
                f"{reference} does not exist in namespace {_where(target)}: create it, or correct `workloads`"
            )
            continue
        if readers(found["spec"]["template"]["spec"], target.secret, key):
            raw.append({**found, "kind": paths.KINDS[reference.kind]})
        else:
            misconfigurations.append(
                f"{reference} does not read key {key} of Secret {target.secret}, so its pods prove nothing: "
                "correct `workloads`, or leave the line out"
            )
    return raw, misconfigurations


async def _listed(requests: RequestCache, target: TargetSettings, key: str) -> tuple[list[Json], list[str]]:
    raw = []
    for kind, name in paths.KINDS.items():
        path = paths.workloads(target.namespace, kind)
        answer = await requests.get(path, f"{kind}s in {_where(target)}")
        raw += [
            {**item, "kind": name}  # items of a list do not name their kind
            for item in answer.get("items") or []
            if readers(item["spec"]["template"]["spec"], target.secret, key)
        ]
    if raw:
        return raw, []
    none = f"no workload in namespace {_where(target)} reads key {key} of Secret {target.secret}"
    return [], [f"{none}: correct the target, or name its `workloads`"]


async def _pods(requests: RequestCache, target: TargetSettings, raw: list[Json]) -> dict[str, PodList]:
    path, what = paths.pods(target.namespace), f"pods in {_where(target)}"
    selectors = dict.fromkeys(map(selector_of, raw))
    for selector in selectors:
        requests.start(path, what, (("labelSelector", selector),))
    lists = {}
    for selector in selectors:
        answer = await requests.get(path, what, (("labelSelector", selector),))
        pods = unfinished(answer.get("items") or [])
        lists[selector] = PodList(selector, answer["metadata"]["resourceVersion"], pods)
    return lists


def _where(target: TargetSettings) -> str:
    """Return the target's namespace, as `place` names it."""
    return f"{target.context}:{target.namespace}" if target.context else target.namespace
