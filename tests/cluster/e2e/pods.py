"""What runs at a place of the real cluster, and how its pods may fare from now on."""

from __future__ import annotations

from typing import Any

from sandbox.cluster.objects import is_ready
from sandbox.common import WORKLOADS
from sandbox.fleet import Deployed
from tests.cluster.contract.test_rollouts import rolled_out
from tests.cluster.e2e.process_env import WAIT_TIMEOUT, ClusterEnv

Json = dict[str, Any]
KINDS = {kind.lower(): kind for kind in WORKLOADS}
MARK = "apim-token-rotator/token"


def workload(place: Deployed) -> tuple[str, str, str]:
    """Kind, namespace and name."""
    kind, _, name = place.workload.partition("/")
    return KINDS[kind], place.namespace, name


def mark(manifest: Json) -> str | None:
    """The mark of a workload's template."""
    found = manifest["spec"]["template"]["metadata"].get("annotations") or {}
    return found.get(MARK)


def breaks(env: ClusterEnv, place: Deployed, behavior: str | None = "never-ready") -> None:
    """Pods that start from now on get broken, or well (None)."""
    env.kubelet.behavior.order(place.namespace, behavior)


async def running(env: ClusterEnv, place: Deployed) -> dict[str, str]:
    """Uid by name of the pods that are ready and there to stay."""
    pods = await env.world.api.list("Pod", place.namespace)
    staying = [p["metadata"] for p in pods if is_ready(p) and "deletionTimestamp" not in p["metadata"]]
    return {meta["name"]: meta["uid"] for meta in staying}


async def fingerprints(env: ClusterEnv, place: Deployed) -> set[str]:
    """Tokens that ready pods run; Azure takes each of them now."""
    ready = await running(env, place)
    mine = [p for p in await env.sandbox.pods() if p.namespace == place.namespace and p.name in ready]
    assert all(p.ok for p in mine)
    return {p.fingerprint for p in mine}


async def restored(env: ClusterEnv, place: Deployed, within: float = WAIT_TIMEOUT) -> Json:
    """The workload as soon as all its pods are ready, of a template that bears no mark."""
    kind, namespace, name = workload(place)
    return await env.world.until(
        kind, namespace, name, lambda o: mark(o) is None and rolled_out(kind, o), within
    )
