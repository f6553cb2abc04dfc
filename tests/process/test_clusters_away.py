"""One cluster down delays only what depends on it: real daemons, a cluster that goes and comes back."""

from __future__ import annotations

import asyncio

import pytest

from sandbox.names import HOME
from tests.process import default_settings
from tests.process.multi_cluster_env import MultiClusterEnv
from tests.process.process_env import WAIT_TIMEOUT

pytestmark = pytest.mark.process
AWAY = "harbour"


async def one_token_everywhere(multi_env: MultiClusterEnv, gateway: str) -> str:
    """Wait until all pods of the gateway run one token that Azure takes; return it."""

    async def settled() -> set[tuple[str, bool]]:
        found = await multi_env.tokens_by_cluster(gateway)
        return found[HOME] | found[AWAY]

    async with asyncio.timeout(WAIT_TIMEOUT):
        while len(found := await settled()) != 1 or not next(iter(found))[1]:
            await asyncio.sleep(0.2)
    ((token, _),) = found
    return token


async def test_a_cluster_that_is_down_at_the_start_is_caught_up_with_when_it_is_back(
    multi_env: MultiClusterEnv,
) -> None:
    multi_env.settings = default_settings.FAST_CHECKS
    await multi_env.deploy_in("oslo", HOME, AWAY, days=3)
    await multi_env.deploy_in("bergen", HOME, days=3)
    await multi_env.sandbox.clusters[AWAY].outage()
    async with multi_env.replicas(0):
        await multi_env.verified_in("oslo", HOME, 1)
        await multi_env.verified_at("bergen", 1)
        assert "revision" not in multi_env.notes("oslo", AWAY)
        await multi_env.sandbox.clusters[AWAY].recover()
        assert await one_token_everywhere(multi_env, "oslo") in multi_env.minted("oslo")


async def test_a_cluster_that_goes_in_the_middle_of_a_rotation_delays_only_itself(
    multi_env: MultiClusterEnv,
) -> None:
    multi_env.settings = default_settings.FAST_CHECKS
    await multi_env.deploy_in("oslo", HOME, AWAY, days=3)
    seen = multi_env.sandbox.faults.add(
        server=multi_env.sandbox.clusters[AWAY].server, action="latency", method="PATCH"
    )
    async with multi_env.replicas(0):
        await seen.hit()
        await multi_env.sandbox.clusters[AWAY].outage()
        await multi_env.verified_in("oslo", HOME, 1)
        await multi_env.sandbox.clusters[AWAY].recover()
        assert await one_token_everywhere(multi_env, "oslo") in multi_env.minted("oslo")
    assert len(multi_env.minted("oslo")) == 1


async def test_a_cluster_that_answers_late_holds_up_no_other_gateway(multi_env: MultiClusterEnv) -> None:
    """So late that every call to it is given up."""
    multi_env.settings = default_settings.FAST_CHECKS
    await multi_env.deploy_in("oslo", HOME, AWAY, days=3)
    multi_env.sandbox.clusters[AWAY].delay = 600.0
    async with multi_env.replicas(0) as (daemon,):
        await multi_env.verified_in("oslo", HOME, 1)
        line = await daemon.line(lambda x: "is unreachable" in x["event"], WAIT_TIMEOUT)
        multi_env.sandbox.clusters[AWAY].delay = 0.0
    assert AWAY in line["event"]


async def test_a_cluster_whose_pods_run_an_expired_token_gets_the_one_that_was_adopted_elsewhere(
    multi_env: MultiClusterEnv,
) -> None:
    """Its pods are Ready all the same, and answer with nothing in them."""
    multi_env.settings = default_settings.FAST_CHECKS
    (good,) = await multi_env.deploy_in("oslo", HOME, days=20)
    (stale,) = await multi_env.deploy_in("oslo", AWAY, days=-1)
    multi_env.places["oslo"] = [good, stale]
    multi_env.gateways["oslo"] = good
    assert (await multi_env.tokens_by_cluster("oslo"))[AWAY] == {(stale.token_fingerprint, False)}
    async with multi_env.replicas(0):
        assert await one_token_everywhere(multi_env, "oslo") == good.token_fingerprint
        await multi_env.cluster(AWAY).wait_for(
            lambda _: "verified-at" in multi_env.notes("oslo", AWAY), WAIT_TIMEOUT
        )
    assert multi_env.calls_of("regenerateKey", "oslo") == 0
    assert "verified-at" not in multi_env.notes("oslo", HOME), "what was adopted was restarted"


async def test_two_clusters_of_one_gateway_run_the_same_token_though_one_was_away_meanwhile(
    multi_env: MultiClusterEnv,
) -> None:
    """It never heard of the request; it gets what the others got, and nothing more is issued."""
    multi_env.settings = default_settings.FAST_CHECKS
    await multi_env.deploy_in("oslo", HOME, AWAY, days=20)
    async with multi_env.replicas(0):
        await multi_env.adopted("oslo")
        await multi_env.sandbox.clusters[AWAY].outage()
        process = await multi_env.tool("rotate-now", "oslo", "--no-wait")
        await process.communicate()
        await multi_env.verified_in("oslo", HOME, 1)
        await multi_env.sandbox.clusters[AWAY].recover()
        await multi_env.verified_in("oslo", AWAY, 1)
    assert {await one_token_everywhere(multi_env, "oslo")} == multi_env.minted("oslo")
