"""Has single pods replaced, by the Eviction API, which respects PodDisruptionBudgets."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from rotator.core.observation import Pod, Target
from rotator.errors import Unavailable
from rotator.kube.client import paths
from rotator.kube.client.connection import Connection
from rotator.kube.client.responses import EvictionBlocked, Json, NotFound
from rotator.kube.targets.store import KubeTargetStore
from rotator.ports import Evictor

EVICTION_RETRY = timedelta(seconds=30)
"""Time until the next try after a PodDisruptionBudget forbade an eviction, unless the server names one."""


class KubeEvictor(Evictor):
    """Implements the port `Evictor` for the pods in the store's last observation."""

    def __init__(self, store: KubeTargetStore) -> None:
        self._store = store

    async def evict(self, target: Target, pod: Pod) -> None:
        """Have exactly the pod that was observed replaced; one that is gone, or terminating, is no error.

        A pod that does not work is deleted even if a budget forbids it: it serves no traffic, and the
        controller of an ordered StatefulSet waits for it for ever (source: Kubernetes,
        "StatefulSets", forced rollback).

        Raises:
            Conflict: another pod has its name by now, or it works again.
            Unavailable: a budget does not allow it now, or the cluster did not answer.
            Refused: this process may not; the remedy names the rule to grant.
        """
        raw, what = self._store.pod(target.name, pod), f"pod {pod.name} of {target.name}"
        if "deletionTimestamp" in raw["metadata"]:
            return
        async with self._store.cluster(target.name).use() as connection:
            blocked = await _evict(connection, raw, what)
            if blocked and not pod.works:
                await _delete(connection, raw, what)
        if blocked and pod.works:
            raise Unavailable(str(blocked), blocked.retry_after or EVICTION_RETRY)


async def _evict(connection: Connection, pod: Json, what: str) -> EvictionBlocked | None:
    """Return why the pod was not evicted, if a budget forbade it. Source: policy/v1 Eviction."""
    meta = pod["metadata"]
    body: Json = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": meta["name"], "namespace": meta["namespace"]},
        "deleteOptions": {"preconditions": {"uid": meta["uid"]}},
    }
    path = paths.eviction(meta["namespace"], meta["name"])
    try:
        with suppress(NotFound):
            await connection.call("POST", path, body=body, what=what)
    except EvictionBlocked as blocked:
        return blocked
    return None


async def _delete(connection: Connection, pod: Json, what: str) -> None:
    """Delete the pod if it is still as it was observed: it may have become ready meanwhile."""
    meta = pod["metadata"]
    body: Json = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]},
    }
    with suppress(NotFound):
        await connection.call("DELETE", paths.pod(meta["namespace"], meta["name"]), body=body, what=what)
