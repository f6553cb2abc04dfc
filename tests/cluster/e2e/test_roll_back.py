"""A token that pods do not come up with is taken back: what a real control plane makes of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.cluster.contract.test_rollouts import rolled_out
from tests.cluster.e2e.fleet import Order
from tests.cluster.e2e.pods import breaks, fingerprints, mark, restored, running, workload
from tests.cluster.e2e.process_env import WAIT_TIMEOUT, ClusterEnv
from tests.cluster.plane import audit
from tests.cluster.plane.control import ControlPlane

FAST_CHECKS = 'rollout_timeout = "2s"\nrecheck = "1s"\nlook_every = "1s"\n'
MINUTE = timedelta(seconds=61)
"""A pod that blocks an ordered workload is not deleted before (core/verification.py)."""


def rolled_back(line) -> bool:
    return line["event"] == "rotation" and line["result"] == "rolled-back"


async def failing(env: ClusterEnv, kind: str):
    """A gateway whose token is due, whose new pods will not get ready; and its pods of now."""
    env.settings = FAST_CHECKS
    (place,) = await env.deploy(Order("oslo", kind=kind))
    before = await running(env, place)
    breaks(env, place)
    return place, before


async def test_the_old_replica_set_comes_back_and_no_pod_is_replaced(env: ClusterEnv):
    place, before = await failing(env, "Deployment")
    async with env.daemon() as daemon:
        await daemon.line(rolled_back, WAIT_TIMEOUT)
        await restored(env, place)
    sets = await env.world.api.list("ReplicaSet", place.namespace)
    assert sorted((mark(s) is None, s["spec"]["replicas"]) for s in sets) == [(False, 0), (True, 2)]
    assert len(before) == 2
    assert await running(env, place) == before
    assert await fingerprints(env, place) == {place.token_fingerprint}
    notes = await env.notes(place)
    assert (notes["fingerprint"], notes["failures"]) == (place.token_fingerprint, "1")


async def test_a_roll_back_is_tried_again_on_request(env: ClusterEnv):
    place, _ = await failing(env, "Deployment")
    async with env.daemon() as daemon:
        await daemon.line(rolled_back, WAIT_TIMEOUT)
        await restored(env, place)
        breaks(env, place, None)
        code, said = await env.command("rotate-now", "oslo")
    assert code == 0, said
    await env.every_pod_runs_the_new_token()


async def test_a_daemon_set_goes_back_to_the_old_token(env: ClusterEnv):
    """It replaces in place: one pod was taken down for the new one, and gets the old token again."""
    place, before = await failing(env, "DaemonSet")
    async with env.daemon() as daemon:
        await daemon.line(lambda x: x.get("step") == "RollBack", WAIT_TIMEOUT)
        breaks(env, place, None)  # before the pod is there again: it would stay as it started
        await restored(env, place)
    after = await running(env, place)
    assert len(set(before.values()) & set(after.values())) == len(before) - 1
    assert await fingerprints(env, place) == {place.token_fingerprint}


@pytest.mark.timeout(300)
async def test_an_ordered_stateful_set_is_freed_of_its_broken_pod_though_a_budget_allows_nothing(
    env: ClusterEnv, plane: ControlPlane
):
    """The controller waits for it for ever; an eviction is asked for first, which the budget forbids. A pod
    that has just started gets a minute to come up.
    """
    place, before = await failing(env, "StatefulSet")
    await forbid(env, place)
    async with env.daemon() as daemon:
        await daemon.line(rolled_back, WAIT_TIMEOUT)
        await env.world.until(*workload(place), lambda o: mark(o) is None)
        assert len(await running(env, place)) == 1
        breaks(env, place, None)
        await restored(env, place, within=150)
        assert await fingerprints(env, place) == {place.token_fingerprint}
        made = audit.calls(plane.audit, env.account.user)
    name = workload(place)[2]
    after = await running(env, place)
    assert after[f"{name}-0"] == before[f"{name}-0"]
    assert after[f"{name}-1"] != before[f"{name}-1"]
    asked = [c for c in made if c.namespace == place.namespace and c.resource.startswith("pods")]
    ending = [(c.verb, c.resource, c.code) for c in asked if c.verb in {"create", "delete"}]
    assert ending == [("create", "pods/eviction", 429), ("delete", "pods", 200)]


async def forbid(env: ClusterEnv, place) -> None:
    """A budget that allows no pod of the place's workload to be evicted."""
    kind, namespace, name = workload(place)
    selector = (await env.world.api.get(kind, namespace, name))["spec"]["selector"]
    spec = {"selector": selector, "maxUnavailable": 0}
    budget = {"kind": "PodDisruptionBudget", "metadata": {"name": "none"}, "spec": spec}
    await env.world.api.create(budget, namespace)
    await env.world.until(
        "PodDisruptionBudget", namespace, "none", lambda o: "currentHealthy" in (o.get("status") or {})
    )


async def test_a_gateway_whose_rollback_is_off_waits_for_its_pods(env: ClusterEnv):
    place, before = await failing(env, "Deployment")
    env.settings += "roll_back = false\n"
    async with env.daemon() as daemon:
        await daemon.line(lambda x: x.get("reason") == "Unsettled", WAIT_TIMEOUT)
        assert await running(env, place) == before
        breaks(env, place, None)
        await env.world.api.delete("Pod", place.namespace, await broken(env, place))
        await env.renewed()
    await env.every_pod_runs_the_new_token()
    kind, namespace, name = workload(place)
    assert rolled_out(kind, await env.world.api.get(kind, namespace, name))


async def broken(env: ClusterEnv, place) -> str:
    """The name of the one pod that is not ready."""
    ready = await running(env, place)
    pods = await env.world.api.list("Pod", place.namespace)
    (name,) = [p["metadata"]["name"] for p in pods if p["metadata"]["name"] not in ready]
    return name
