"""Finds the workloads of a target and their pods."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rotator.config import TargetSettings
from rotator.core.observation import Workload
from rotator.kube.client import paths
from rotator.kube.client.responses import Json, NotFound
from rotator.kube.targets.annotations import PREFIX, read_time, write_time
from rotator.kube.targets.field_managers import writer
from rotator.kube.targets.pods import belongs, mark_of, pod_of, unfinished
from rotator.kube.targets.request_cache import Reads
from rotator.kube.targets.rollout_status import rollout
from rotator.kube.targets.secret_format import readers

RESTARTED_AT = PREFIX + "restarted-at"
"""Annotation of workloads (not of their templates): when we last rolled them over."""
RESTARTS = PREFIX + "restarts"
"""How often we did so lately, for the budget: `<count> since <time>`."""


@dataclass(frozen=True, slots=True)
class PodList:
    """The pods that a selector finds, as of version."""

    selector: str
    version: str
    pods: list[Json]


@dataclass(frozen=True, slots=True)
class Found:
    """The workloads of a target, made and raw; flaw as in Target."""

    workloads: tuple[Workload, ...]
    misconfiguration: str
    raw: tuple[Json, ...]
    lists: tuple[PodList, ...]


def begin(reads: Reads, target: TargetSettings) -> None:
    """Ask for the target's workloads; `find` takes the answers."""
    if target.workloads is None:
        for kind in paths.KINDS:
            reads.begin(paths.workloads(target.namespace, kind), f"{kind}s in {_where(target)}")
        return
    for ref in target.workloads:
        reads.begin(paths.workload(target.namespace, str(ref)), f"{ref} in {_where(target)}")


async def find(reads: Reads, target: TargetSettings, key: str) -> Found:
    """Return the workloads whose pods read key of the target's Secret, with their pods.

    Raises:
        Refused: this process may not look at them.
    """
    raw, flaws = await (
        _listed(reads, target, key) if target.workloads is None else _named(reads, target, key)
    )
    lists = await _pods(reads, target, raw)
    made = tuple(_make(w, lists[selector_of(w)].pods, target.secret, key) for w in raw)
    if made and all(w.idle for w in made):
        names = ", ".join(w.name for w in made)
        flaws.append(f"no pod runs, so nothing proves the token: {names} {_is(made)} scaled to zero")
    return Found(made, "; ".join(flaws), tuple(raw), tuple(lists.values()))


async def _named(reads: Reads, target: TargetSettings, key: str) -> tuple[list[Json], list[str]]:
    raw, flaws = [], []
    for ref in target.workloads or ():
        path = paths.workload(target.namespace, str(ref))
        try:
            found = await reads.get(path, f"{ref} in {_where(target)}")
        except NotFound:
            flaws.append(
                f"{ref} does not exist in namespace {_where(target)}: create it, or correct `workloads`"
            )
            continue
        if readers(found["spec"]["template"]["spec"], target.secret, key):
            raw.append({**found, "kind": paths.KINDS[ref.kind]})
        else:
            flaws.append(
                f"{ref} does not read key {key} of Secret {target.secret}, so its pods prove nothing: "
                "correct `workloads`, or leave the line out"
            )
    return raw, flaws


async def _listed(reads: Reads, target: TargetSettings, key: str) -> tuple[list[Json], list[str]]:
    raw = []
    for kind, called in paths.KINDS.items():
        found = await reads.get(paths.workloads(target.namespace, kind), f"{kind}s in {_where(target)}")
        raw += [
            {**item, "kind": called}  # items of a list do not say what they are
            for item in found.get("items") or []
            if readers(item["spec"]["template"]["spec"], target.secret, key)
        ]
    if raw:
        return raw, []
    nobody = f"no workload in namespace {_where(target)} reads key {key} of Secret {target.secret}"
    return [], [f"{nobody}: correct the target, or name its `workloads`"]


async def _pods(reads: Reads, target: TargetSettings, raw: list[Json]) -> dict[str, PodList]:
    path, what = paths.pods(target.namespace), f"pods in {_where(target)}"
    selectors = {selector_of(w): None for w in raw}
    for selector in selectors:
        reads.begin(path, what, (("labelSelector", selector),))
    lists = {}
    for selector in selectors:
        answer = await reads.get(path, what, (("labelSelector", selector),))
        items = unfinished(answer.get("items") or [])
        lists[selector] = PodList(selector, answer["metadata"]["resourceVersion"], items)
    return lists


def _make(workload: Json, candidates: list[Json], secret: str, key: str) -> Workload:
    meta = workload["metadata"]
    pods = [p for p in candidates if belongs(p, workload)]
    state = rollout(workload, pods)
    restarts, counted_since = read_restarts((meta.get("annotations") or {}).get(RESTARTS, ""))
    return Workload(
        name=name_of(workload),
        template_token=mark_of(workload["spec"]["template"].get("metadata") or {}),
        restarted_at=_restarted_at(meta),
        failed=state.failed,
        pods=tuple(pod_of(p, secret, key) for p in pods),
        version=meta["resourceVersion"],
        complete=state.complete,
        idle=state.idle,
        ordered=ordered(workload),
        restarts=restarts,
        counted_since=counted_since,
        note="; ".join(part for part in (state.note, _reverted_by(workload)) if part),
    )


def ordered(workload: Json) -> bool:
    """Whether the controller waits for a pod that does not work, even after the template was mended.

    Source: Kubernetes, "StatefulSets", forced rollback.
    """
    spec = workload["spec"]
    update = spec.get("updateStrategy") or {}
    if (update.get("rollingUpdate") or {}).get("partition"):
        return False  # its first pods keep the old template by order: they are not to be replaced
    strategy = update.get("type") or "RollingUpdate"
    policy = spec.get("podManagementPolicy") or "OrderedReady"
    return workload["kind"] == "StatefulSet" and (policy, strategy) == ("OrderedReady", "RollingUpdate")


def write_restarts(count: int, since: datetime) -> str:
    """Return the text of the annotation `RESTARTS`."""
    return f"{count} since {write_time(since)}"


def read_restarts(text: str) -> tuple[int, datetime | None]:
    """Return what write_restarts was given; of anything else, that nothing was counted."""
    count, _, since = text.partition(" since ")
    try:
        return max(0, int(count)), read_time(since)
    except ValueError:
        return 0, None


def _reverted_by(workload: Json) -> str:
    """Say who took our mark off the template, if it was taken off after the last restart."""
    meta, template = workload["metadata"], workload["spec"]["template"]
    since = _restarted_at(meta)
    if since is None or mark_of(template.get("metadata") or {}):
        return ""
    who = writer(meta, ("spec", "template"), since)
    return f"template last written by {who}" if who else ""


def name_of(workload: Json) -> str:
    """Return `kind/name`, as users write it."""
    return f"{workload['kind'].lower()}/{workload['metadata']['name']}"


def selector_of(workload: Json) -> str:
    """Return the workload's selector as a query parameter."""
    selector = workload["spec"]["selector"]
    parts = [f"{label}={said}" for label, said in sorted((selector.get("matchLabels") or {}).items())]
    for term in selector.get("matchExpressions") or []:
        label, operator, values = term["key"], term["operator"], ",".join(term.get("values") or [])
        parts.append(
            {"In": f"{label} in ({values})", "NotIn": f"{label} notin ({values})", "Exists": label}.get(
                operator, f"!{label}"
            )
        )
    return ",".join(parts)


def _restarted_at(meta: Json) -> datetime | None:
    try:
        return read_time((meta.get("annotations") or {})[RESTARTED_AT])
    except (KeyError, ValueError):
        return None


def _where(target: TargetSettings) -> str:
    """Return the target's namespace, as `place` names it."""
    return f"{target.context}:{target.namespace}" if target.context else target.namespace


def _is(made: tuple[Workload, ...]) -> str:
    return "is" if len(made) == 1 else "are"
