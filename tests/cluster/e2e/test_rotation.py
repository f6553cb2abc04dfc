from __future__ import annotations

import pytest

from tests.cluster.e2e.fleet import Order
from tests.cluster.e2e.process_env import ClusterEnv


@pytest.mark.parametrize("layout", ["how-to", "portal", "helm"])
async def test_a_gateway_of_each_layout_gets_a_new_token(env: ClusterEnv, layout: str):
    await env.deploy(Order("oslo", layout))
    async with env.daemon():
        await env.renewed()
    await env.every_pod_runs_the_new_token()


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
async def test_every_kind_of_workload_rolls(env: ClusterEnv, kind: str):
    await env.deploy(Order("oslo", kind=kind))
    async with env.daemon():
        await env.renewed()
    await env.every_pod_runs_the_new_token()


async def test_two_targets_of_a_gateway_get_one_token(env: ClusterEnv):
    first, second = await env.deploy(Order("oslo"), Order("oslo", "portal", "StatefulSet"))
    async with env.daemon():
        await env.renewed()
    notes = [await env.notes(place) for place in (first, second)]
    assert notes[0]["fingerprint"] == notes[1]["fingerprint"]
    assert first.gateway is second.gateway
    await env.every_pod_runs_the_new_token()
