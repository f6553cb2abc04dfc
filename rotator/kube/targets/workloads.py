"""Makes workloads of raw JSON: which token the template names, how far the rollout is, its restarts."""

from __future__ import annotations

from datetime import datetime

from rotator.core.observation import Workload
from rotator.kube.client.responses import Json
from rotator.kube.targets.annotations import PREFIX, read_time, write_time
from rotator.kube.targets.field_managers import last_writer
from rotator.kube.targets.pods import belongs, pod_of, token_annotation
from rotator.kube.targets.rollout_status import rollout_status

RESTARTED_AT = PREFIX + "restarted-at"
"""Annotation of workloads (not of their templates): when the rotator last restarted them."""
RESTARTS = PREFIX + "restarts"
"""How often the rotator did so lately, for the budget: `<count> since <time>`."""


def workload_of(workload: Json, candidates: list[Json], secret: str, key: str) -> Workload:
    """Return the workload as core sees it. candidates: pods that its selector finds."""
    meta = workload["metadata"]
    pods = [pod for pod in candidates if belongs(pod, workload)]
    status = rollout_status(workload, pods)
    restarts, counted_since = read_restarts((meta.get("annotations") or {}).get(RESTARTS, ""))
    return Workload(
        name=name_of(workload),
        template_token=token_annotation(workload["spec"]["template"].get("metadata") or {}),
        restarted_at=_restarted_at(meta),
        failed=status.failed,
        pods=tuple(pod_of(pod, secret, key) for pod in pods),
        version=meta["resourceVersion"],
        complete=status.complete,
        idle=status.idle,
        ordered=ordered(workload),
        restarts=restarts,
        counted_since=counted_since,
        note="; ".join(part for part in (status.note, _reverted_by(workload)) if part),
    )


def ordered(workload: Json) -> bool:
    """Whether the controller waits for a pod that does not work, even after the template was corrected.

    Source: Kubernetes, "StatefulSets", forced rollback.
    """
    spec = workload["spec"]
    update = spec.get("updateStrategy") or {}
    if (update.get("rollingUpdate") or {}).get("partition"):
        return False  # the pods below the partition keep the old template on purpose
    strategy = update.get("type") or "RollingUpdate"
    policy = spec.get("podManagementPolicy") or "OrderedReady"
    return workload["kind"] == "StatefulSet" and (policy, strategy) == ("OrderedReady", "RollingUpdate")


def write_restarts(count: int, since: datetime) -> str:
    """Return the text of the annotation `RESTARTS`."""
    return f"{count} since {write_time(since)}"


def read_restarts(text: str) -> tuple[int, datetime | None]:
    """Return what write_restarts was given; for any other text, a count of zero."""
    count, _, since = text.partition(" since ")
    try:
        return max(0, int(count)), read_time(since)
    except ValueError:
        return 0, None


def _reverted_by(workload: Json) -> str:
    """Return who removed the token annotation from the template after the last restart."""
    meta, template = workload["metadata"], workload["spec"]["template"]
    since = _restarted_at(meta)
    if since is None or token_annotation(template.get("metadata") or {}):
        return ""
    writer = last_writer(meta, ("spec", "template"), since)
    return f"template last written by {writer}" if writer else ""


def name_of(workload: Json) -> str:
    """Return `kind/name`, as users write it."""
    return f"{workload['kind'].lower()}/{workload['metadata']['name']}"


def selector_of(workload: Json) -> str:
    """Return the workload's selector as a query parameter."""
    selector = workload["spec"]["selector"]
    parts = [f"{label}={value}" for label, value in sorted((selector.get("matchLabels") or {}).items())]
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
