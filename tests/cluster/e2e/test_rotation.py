from __future__ import annotations

import pytest

from tests.cluster.e2e.fleet import Order
from tests.cluster.e2e.process_env import Town


@pytest.mark.parametrize("layout", ["how-to", "portal", "helm"])
async def test_a_gateway_of_each_layout_gets_a_new_token(town: Town, layout: str):
    await town.settle(Order("oslo", layout))
    async with town.daemon():
        await town.renewed()
    await town.every_pod_runs_the_new_token()


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
async def test_every_kind_of_workload_rolls(town: Town, kind: str):
    await town.settle(Order("oslo", kind=kind))
    async with town.daemon():
        await town.renewed()
    await town.every_pod_runs_the_new_token()


async def test_two_targets_of_a_gateway_get_one_token(town: Town):
    first, second = await town.settle(Order("oslo"), Order("oslo", "portal", "StatefulSet"))
    async with town.daemon():
        await town.renewed()
    notes = [await town.notes(place) for place in (first, second)]
    assert notes[0]["fingerprint"] == notes[1]["fingerprint"]
    assert first.gateway is second.gateway
    await town.every_pod_runs_the_new_token()
