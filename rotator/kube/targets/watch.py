"""Waits until workloads or pods differ from what was observed."""

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
from rotator.kube.targets.discovery import PodList, TargetWorkloads
from rotator.kube.targets.pods import pod_of, token_annotation
from rotator.kube.targets.rollout_status import pod_failures, rollout_status
from rotator.kube.targets.workloads import name_of

POLL_INTERVAL = 1.0
"""Seconds between two observations while a watch cannot be opened, or after it broke off."""
_log = logging.getLogger("rotator.kube")


@dataclass(frozen=True, slots=True)
class WatchCursor:
    """From where to watch a collection: its version, and a digest of each object that was observed.

    version None: the watch begins with the present state of the objects.
    """

    path: str
    query: Query
    version: str | None
    secret: str
    key: str
    digests: Mapping[str, Hashable]


def watch_cursors(found: TargetWorkloads, namespace: str, secret: str, key: str) -> list[WatchCursor]:
    """Return what to watch of a target's workloads and pods.

    A workload's own version may be too old to start from (the server would answer 410 for ever); a
    list's version never is.
    """
    return [
        *(_workload_cursor(workload, namespace, secret, key) for workload in found.raw),
        *(_pod_cursor(pods, namespace, secret, key) for pods in found.pod_lists),
    ]


def _workload_cursor(workload: Json, namespace: str, secret: str, key: str) -> WatchCursor:
    name, kind = workload["metadata"]["name"], workload["kind"].lower()
    digests = {name: _workload_digest(workload)}
    query = (("fieldSelector", f"metadata.name={name}"),)
    return WatchCursor(paths.workloads(namespace, kind), query, None, secret, key, digests)


def _pod_cursor(pods: PodList, namespace: str, secret: str, key: str) -> WatchCursor:
    digests = {pod["metadata"]["name"]: _pod_digest(pod, secret, key) for pod in pods.pods}
    query = (("labelSelector", pods.selector),)
    return WatchCursor(paths.pods(namespace), query, pods.version, secret, key, digests)


async def until_changed(
    cursors: Iterable[tuple[Connection, WatchCursor]],
    duration: float,
    others: Iterable[Coroutine[Any, Any, None]] = (),
) -> None:
    """Return at the first change that a decision may depend on, when one of others ends, or after
    duration seconds.

    Returns early if a watch cannot be opened. Leaves no connection behind.
    """
    distinct = {
        (id(connection), cursor.path, cursor.query, cursor.secret, cursor.key): (connection, cursor)
        for connection, cursor in cursors
    }.values()
    watches = [asyncio.create_task(other) for other in others]
    if any(connection.watches_exhausted for connection, _ in distinct):
        watches.append(asyncio.create_task(asyncio.sleep(POLL_INTERVAL)))
    else:
        watches += [asyncio.create_task(_watch(*each, duration)) for each in distinct]
    if not watches:
        await asyncio.sleep(duration)
        return
    try:
        await asyncio.wait(watches, timeout=duration, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for watch in watches:
            watch.cancel()
        await asyncio.gather(*watches, return_exceptions=True)


async def _watch(connection: Connection, cursor: WatchCursor, duration: float) -> None:
    query = [*cursor.query, *([("resourceVersion", cursor.version)] if cursor.version else [])]
    try:
        async with aclosing(connection.watch(cursor.path, query, duration)) as events:
            async for event in events:
                if event["type"] == "DELETED" or _differs(event["object"], cursor):
                    return
    except Refused as error:
        level = logging.DEBUG if cursor.path in connection.unwatchable else logging.WARNING
        connection.unwatchable.add(cursor.path)
        _log.log(level, "the rotator polls rollouts, because it cannot watch them: %s", error)
    except RotatorError as error:
        _log.debug("a watch could not be opened: %s", error)
    await asyncio.sleep(POLL_INTERVAL)


def _differs(found: Json, cursor: WatchCursor) -> bool:
    name = found["metadata"]["name"]
    return name not in cursor.digests or cursor.digests[name] != _digest(found, cursor)


def _digest(found: Json, cursor: WatchCursor) -> Hashable:
    if cursor.path.endswith("/pods"):
        return _pod_digest(found, cursor.secret, cursor.key)
    kind = cursor.path.rsplit("/", 1)[-1].removesuffix("s")
    return _workload_digest({**found, "kind": paths.KINDS[kind]})


def _workload_digest(workload: Json) -> Hashable:
    status = rollout_status(workload, ())
    template = workload["spec"]["template"].get("metadata") or {}
    return name_of(workload), token_annotation(template), status.complete, status.failed, status.idle


def _pod_digest(pod: Json, secret: str, key: str) -> Hashable:
    finished = (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}
    return (
        pod_of(pod, secret, key),
        pod["metadata"].get("uid"),
        "deletionTimestamp" in pod["metadata"],
        finished,
        tuple(pod_failures([pod])),
    )
