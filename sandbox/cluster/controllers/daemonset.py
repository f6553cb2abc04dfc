"""DaemonSets: one pod on each node, replaced a few at a time."""

from __future__ import annotations

import copy
from collections import defaultdict

from sandbox.cluster.controllers import revisions
from sandbox.cluster.controllers.common import Tools, key_of, scaled, without_zeros
from sandbox.cluster.objects import is_ready, is_terminating, labels_of, name_of
from sandbox.common import Json


def sync(tools: Tools, owner: Json) -> None:
    if is_terminating(owner):
        return
    newest = revisions.current(tools, owner, label="hash")
    _fill_nodes(tools, owner, newest)
    if owner["spec"]["updateStrategy"]["type"] == "RollingUpdate":
        _roll(tools, owner, newest)
    _count(tools, owner, newest)


def _by_node(tools: Tools, owner: Json) -> dict[str, list[Json]]:
    found: defaultdict[str, list[Json]] = defaultdict(list)
    for pod in tools.pods_of(owner):
        found[pod["spec"].get("nodeName", "")].append(pod)
    return found


def _fill_nodes(tools: Tools, owner: Json, newest: Json) -> None:
    """Create a pod on each node without one. A terminating pod counts until it is gone."""
    present = _by_node(tools, owner)
    for node in tools.store.all("nodes"):
        if not present.get(name_of(node)):
            template = copy.deepcopy(owner["spec"]["template"])
            template["spec"]["nodeName"] = name_of(node)
            tools.create_pod(owner, template, labels={revisions.HASH: revisions.label_of(newest)})


def _roll(tools: Tools, owner: Json, newest: Json) -> None:
    """Delete outdated pods: unavailable ones at once, available ones as `maxUnavailable` allows."""
    pods = tools.pods_of(owner)
    limit = owner["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"]
    allowed = scaled(limit, len(tools.store.all("nodes")), up=True)
    outdated = [pod for pod in pods if not is_terminating(pod) and not _is_updated(pod, newest)]
    broken = [pod for pod in outdated if not _is_available(tools, owner, pod)]
    unavailable = sum(not _is_available(tools, owner, pod) for pod in pods) - len(broken)
    available = [pod for pod in outdated if pod not in broken]
    for pod in broken + available[: max(0, allowed - unavailable - len(broken))]:
        tools.delete_pod(owner, pod)


def _is_updated(pod: Json, newest: Json) -> bool:
    return labels_of(pod).get(revisions.HASH) == revisions.label_of(newest)


def _is_available(tools: Tools, owner: Json, pod: Json) -> bool:
    delay = tools.available_in(pod, owner["spec"].get("minReadySeconds", 0))
    if delay:
        tools.again(key_of(owner), delay)
    return delay == 0


def _count(tools: Tools, owner: Json, newest: Json) -> None:
    wanted = len(tools.store.all("nodes"))
    lasting = [pod for pod in tools.pods_of(owner) if not is_terminating(pod)]
    available = sum(_is_available(tools, owner, pod) for pod in lasting)
    status = {
        "observedGeneration": owner["metadata"]["generation"],
        "currentNumberScheduled": len(lasting),
        "desiredNumberScheduled": wanted,
        "numberMisscheduled": 0,
        "numberReady": sum(is_ready(pod) for pod in lasting),
        "numberAvailable": available,
        "numberUnavailable": wanted - available,
        "updatedNumberScheduled": sum(_is_updated(pod, newest) for pod in lasting),
    }
    keep = ("currentNumberScheduled", "desiredNumberScheduled", "numberMisscheduled", "numberReady")
    tools.set_status(owner, without_zeros(status, *keep))
    in_use = {labels_of(pod).get(revisions.HASH, "") for pod in lasting}
    revisions.delete_oldest(tools, owner, in_use)
