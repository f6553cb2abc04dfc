"""Has single pods replaced: by the Eviction API, which asks PodDisruptionBudgets."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from rotator.core.observation import Pod, Target
from rotator.errors import Unavailable
from rotator.kube.client import paths
from rotator.kube.client.connection import Connection
from rotator.kube.client.responses import Json, NotFound, Withheld
from rotator.kube.targets.store import KubeTargetStore
from rotator.ports import Evictor

PAUSE = timedelta(seconds=30)
"""So long a budget that says no is left alone, unless the server says how long."""


class KubeEvictor(Evictor):
    """Implements the port `Evictor` for the pods that fleet looked at last."""

    def __init__(self, fleet: KubeTargetStore) -> None:
        self._fleet = fleet

    async def evict(self, target: Target, pod: Pod) -> None:
        """Have exactly the pod that was seen replaced; one that is gone, or on its way, is no error.

        A pod that does not work is deleted even if a budget says no: it protects nobody, and the
        controller of an ordered StatefulSet waits for it for ever (source: Kubernetes,
        "StatefulSets", forced rollback).

        Raises:
            Conflict: the pod is another one by now, or works again: look again.
            Unavailable: a budget does not allow it now, or the cluster did not answer.
            Refused: this process may not; says which rule to grant.
        """
        raw, what = self._fleet.pod(target.name, pod), f"pod {pod.name} of {target.name}"
        if "deletionTimestamp" in raw["metadata"]:
            return
        async with self._fleet.cluster(target.name).use() as connection:
            withheld = await _evict(connection, raw, what)
            if withheld and not pod.works:
                await _delete(connection, raw, what)
        if withheld and pod.works:
            raise Unavailable(str(withheld), withheld.retry_after or PAUSE)


async def _evict(connection: Connection, pod: Json, what: str) -> Withheld | None:
    """Return why it is not evicted, if a budget says no. Source: policy/v1 Eviction."""
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
    except Withheld as withheld:
        return withheld
    return None


async def _delete(connection: Connection, pod: Json, what: str) -> None:
    """Delete the pod if it is still as it was seen: it may have come up meanwhile."""
    meta = pod["metadata"]
    body: Json = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]},
    }
    with suppress(NotFound):
        await connection.call("DELETE", paths.pod(meta["namespace"], meta["name"]), body=body, what=what)
