"""Waits until workloads or pods are no longer as they were seen."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Hashable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from rotator.errors import Refused, RotatorError
from rotator.kube.client import paths
from rotator.kube.client.connection import Connection, Query
from rotator.kube.client.responses import Json
from rotator.kube.targets.pods import mark_of, pod_of
from rotator.kube.targets.rollout_status import rollout, troubles
from rotator.kube.targets.workloads import Found, PodList, name_of

POLL = 1.0
"""Seconds between looks where a watch cannot be had, or broke off."""
_log = logging.getLogger("rotator.kube")


@dataclass(frozen=True, slots=True)
class Sight:
    """What is remembered of a collection: from which version to watch it, and how each object was.

    version None: the watch begins with the objects as they are by then.
    """

    path: str
    query: Query
    version: str | None
    secret: str
    key: str
    known: Mapping[str, Hashable]


def sights(found: Found, namespace: str, secret: str, key: str) -> list[Sight]:
    """Return what to watch of a target's workloads and pods.

    A workload's own version may be too old to start from (it would answer 410 for ever), a
    list's version never is.
    """
    return [
        *(_workload_sight(w, namespace, secret, key) for w in found.raw),
        *(_pod_sight(pods, namespace, secret, key) for pods in found.lists),
    ]


def _workload_sight(workload: Json, namespace: str, secret: str, key: str) -> Sight:
    name, kind = workload["metadata"]["name"], workload["kind"].lower()
    known = {name: _workload_digest(workload)}
    query = (("fieldSelector", f"metadata.name={name}"),)
    return Sight(paths.workloads(namespace, kind), query, None, secret, key, known)


def _pod_sight(pods: PodList, namespace: str, secret: str, key: str) -> Sight:
    known = {p["metadata"]["name"]: _pod_digest(p, secret, key) for p in pods.pods}
    query = (("labelSelector", pods.selector),)
    return Sight(paths.pods(namespace), query, pods.version, secret, key, known)


async def until_changed(
    wanted: Iterable[tuple[Connection, Sight]],
    within: float,
    others: Iterable[Coroutine[Any, Any, None]] = (),
) -> None:
    """Return at the first change that a decision may depend on, when one of others ends, or after
    within seconds.

    Returns early when a watch cannot be had. Leaves no connection behind.
    """
    once = {(id(c), s.path, s.query, s.secret, s.key): (c, s) for c, s in wanted}.values()
    watches = [asyncio.create_task(other) for other in others]
    if any(connection.watches_exhausted for connection, _ in once):
        watches.append(asyncio.create_task(asyncio.sleep(POLL)))
    else:
        watches += [asyncio.create_task(_watch(c, s, within)) for c, s in once]
    if not watches:
        await asyncio.sleep(within)
        return
    try:
        await asyncio.wait(watches, timeout=within, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)


async def _watch(connection: Connection, sight: Sight, within: float) -> None:
    query = [*sight.query, *([("resourceVersion", sight.version)] if sight.version else [])]
    try:
        async with aclosing(connection.watch(sight.path, query, within)) as events:
            async for event in events:
                if event["type"] == "DELETED" or _differs(event["object"], sight):
                    return
    except Refused as problem:
        level = logging.DEBUG if sight.path in connection.unwatchable else logging.WARNING
        connection.unwatchable.add(sight.path)
        _log.log(level, "rollouts are watched by looking again and again: %s", problem)
    except RotatorError as problem:
        _log.debug("a watch could not be had: %s", problem)
    await asyncio.sleep(POLL)


def _differs(found: Json, sight: Sight) -> bool:
    name = found["metadata"]["name"]
    return name not in sight.known or sight.known[name] != _digest(found, sight)


def _digest(found: Json, sight: Sight) -> Hashable:
    if sight.path.endswith("/pods"):
        return _pod_digest(found, sight.secret, sight.key)
    kind = sight.path.rsplit("/", 1)[-1].removesuffix("s")
    return _workload_digest({**found, "kind": paths.KINDS[kind]})


def _workload_digest(workload: Json) -> Hashable:
    state = rollout(workload, ())
    template = workload["spec"]["template"].get("metadata") or {}
    return name_of(workload), mark_of(template), state.complete, state.failed, state.idle


def _pod_digest(pod: Json, secret: str, key: str) -> Hashable:
    gone = (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}
    return (
        pod_of(pod, secret, key),
        pod["metadata"].get("uid"),
        "deletionTimestamp" in pod["metadata"],
        gone,
        tuple(troubles([pod])),
    )
