"""Other tools on the real cluster that put back what they think is theirs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from tests.cluster.api import MERGE, path
from tests.cluster.e2e.fleet import Order
from tests.cluster.e2e.pods import MARK, fingerprints, mark, workload
from tests.cluster.e2e.process_env import WAIT_TIMEOUT, ClusterEnv
from tests.cluster.world import World

Json = dict[str, Any]
FAST_CHECKS = 'recheck = "1s"\nlook_every = "1s"\n'
Put = Callable[[Json], Awaitable[None]]


def fighting(line: Json) -> bool:
    return line.get("step") == "Rest" and line.get("reason") == "Fighting"


@asynccontextmanager
async def insisting(
    world: World, where: tuple[str, str, str], differs: Callable[[Json], bool], put: Json, manager: str
) -> AsyncIterator[list[str]]:
    """A tool that writes `put` whenever the object differs; yields the versions that it overwrote."""
    kind, namespace, name = where
    overwrote: list[str] = []

    async def insist() -> None:
        while True:
            found = await world.until(kind, namespace, name, differs, WAIT_TIMEOUT)
            overwrote.append(found["metadata"]["resourceVersion"])
            await world.api.ask("PATCH", path(kind, namespace, name), put, MERGE, fieldManager=manager)

    task = asyncio.create_task(insist())
    try:
        yield overwrote
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, TimeoutError):
            await task


async def test_a_gitops_tool_that_puts_the_token_back_is_overruled_and_then_named(env: ClusterEnv):
    env.settings = FAST_CHECKS
    (place,) = await env.deploy(Order("oslo"))
    secret = ("Secret", place.namespace, place.secret)
    old = (await env.world.api.get(*secret))["data"]
    argo = insisting(env.world, secret, lambda s: s["data"] != old, {"data": old}, "argocd-controller")
    async with env.daemon() as daemon:
        await env.renewed()
        new = await env.token(place)
        async with argo as overwrote:
            line = await daemon.line(fighting, WAIT_TIMEOUT)
        repairs = [x for x in daemon.lines if x["event"] == "step" and x.get("reason") == "Drifted"]
    assert "argocd-controller" in line["why"] and "ignoreDifferences" in line["why"]
    assert new not in str(daemon.lines)
    assert len(repairs) == 3  # so many are free
    assert len(overwrote) == 1 + len(repairs)
    assert (await env.world.api.get(*secret))["data"] == old
    assert await fingerprints(env, place) == {(await env.notes(place))["fingerprint"]}
    assert len(await env.world.api.list("ReplicaSet", place.namespace)) == 2


async def test_one_change_by_a_gitops_tool_is_repaired_and_no_pod_restarts(env: ClusterEnv):
    env.settings = FAST_CHECKS
    (place,) = await env.deploy(Order("oslo"))
    secret = ("Secret", place.namespace, place.secret)
    old = (await env.world.api.get(*secret))["data"]
    async with env.daemon():
        await env.renewed()
        new = await env.token(place)
        await env.world.api.ask(
            "PATCH", path(*secret), {"data": old}, MERGE, fieldManager="argocd-controller"
        )
        await env.world.until(*secret, lambda s: s["data"] != old)
        await env.renewed()
    assert await env.token(place) == new
    await env.every_pod_runs_the_new_token()
    assert len(await env.world.api.list("ReplicaSet", place.namespace)) == 2


async def test_a_tool_that_takes_the_mark_off_the_template_causes_no_storm(env: ClusterEnv):
    env.settings = FAST_CHECKS
    (place,) = await env.deploy(Order("oslo"))
    put = {"spec": {"template": {"metadata": {"annotations": {MARK: None}}}}}
    async with env.daemon() as daemon:
        await env.renewed()
        async with insisting(env.world, workload(place), mark, put, "helm") as overwrote:
            line = await daemon.line(fighting, WAIT_TIMEOUT)
    assert "the pod template" in line["why"]
    assert len(overwrote) <= 4
    assert len(await env.world.api.list("ReplicaSet", place.namespace)) == 2  # the same two, in turn


async def test_a_workload_is_restarted_so_often_an_hour_and_no_oftener(env: ClusterEnv):
    env.settings = FAST_CHECKS + "max_restarts_per_hour = 1\n"
    (place,) = await env.deploy(Order("oslo"))
    kind, namespace, name = workload(place)
    async with env.daemon() as daemon:
        first = await env.renewed_to(place)
        code, said = await env.command("rotate-now", "oslo", "--no-wait", "--force")
        assert code == 0, said
        await env.until(place, lambda n: n["fingerprint"] != first)
        line = await daemon.line(lambda x: "max_restarts_per_hour" in str(x.get("why")), WAIT_TIMEOUT)
    assert mark(await env.world.api.get(kind, namespace, name)) == first
    assert await fingerprints(env, place) == {first}
    assert line["reason"] == "Unsettled"
