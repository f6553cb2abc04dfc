"""One cluster down delays only what depends on it: real daemons, a cluster that goes and comes back."""

from __future__ import annotations

import asyncio

import pytest

from sandbox.names import HOME
from tests.process import settings
from tests.process.multi_cluster_env import County
from tests.process.process_env import PATIENCE

pytestmark = pytest.mark.process
AWAY = "harbour"


async def one_token_everywhere(county: County, gateway: str) -> str:
    """Wait until all pods of the gateway run one token that Azure takes; return it."""

    async def settled() -> set[tuple[str, bool]]:
        found = await county.everywhere(gateway)
        return found[HOME] | found[AWAY]

    async with asyncio.timeout(PATIENCE):
        while len(found := await settled()) != 1 or not next(iter(found))[1]:
            await asyncio.sleep(0.2)
    ((token, _),) = found
    return token


async def test_a_cluster_that_is_down_at_the_start_is_caught_up_with_when_it_is_back(county: County) -> None:
    county.settings = settings.HASTY
    await county.settle_in("oslo", HOME, AWAY, days=3)
    await county.settle_in("bergen", HOME, days=3)
    await county.sandbox.sites[AWAY].outage()
    async with county.replicas(0):
        await county.rests_in("oslo", HOME, 1)
        await county.rests_at("bergen", 1)
        assert "revision" not in county.notes("oslo", AWAY)
        await county.sandbox.sites[AWAY].recover()
        assert await one_token_everywhere(county, "oslo") in county.minted("oslo")


async def test_a_cluster_that_goes_in_the_middle_of_a_rotation_delays_only_itself(county: County) -> None:
    county.settings = settings.HASTY
    await county.settle_in("oslo", HOME, AWAY, days=3)
    seen = county.sandbox.faults.add(
        server=county.sandbox.sites[AWAY].server, action="latency", method="PATCH"
    )
    async with county.replicas(0):
        await seen.hit()
        await county.sandbox.sites[AWAY].outage()
        await county.rests_in("oslo", HOME, 1)
        await county.sandbox.sites[AWAY].recover()
        assert await one_token_everywhere(county, "oslo") in county.minted("oslo")
    assert len(county.minted("oslo")) == 1


async def test_a_cluster_that_answers_late_holds_up_nobody_else(county: County) -> None:
    """So late that every call to it is given up."""
    county.settings = settings.HASTY
    await county.settle_in("oslo", HOME, AWAY, days=3)
    county.sandbox.sites[AWAY].delay = 60.0
    async with county.replicas(0) as (daemon,):
        async with asyncio.timeout(20):
            await county.rests_in("oslo", HOME, 1)
        line = await daemon.line(lambda x: "is left alone" in x["event"], PATIENCE)
        county.sandbox.sites[AWAY].delay = 0.0
    assert AWAY in line["event"]


async def test_a_cluster_whose_pods_run_an_expired_token_gets_the_one_that_was_adopted_elsewhere(
    county: County,
) -> None:
    """Its pods are Ready all the same, and answer with nothing in them."""
    county.settings = settings.HASTY
    (good,) = await county.settle_in("oslo", HOME, days=20)
    (stale,) = await county.settle_in("oslo", AWAY, days=-1)
    county.places["oslo"] = [good, stale]
    county.gateways["oslo"] = good
    assert (await county.everywhere("oslo"))[AWAY] == {(stale.token_fingerprint, False)}
    async with county.replicas(0):
        assert await one_token_everywhere(county, "oslo") == good.token_fingerprint
        await county.cluster(AWAY).wait_for(lambda _: "verified-at" in county.notes("oslo", AWAY), PATIENCE)
    assert county.calls_of("regenerateKey", "oslo") == 0
    assert "verified-at" not in county.notes("oslo", HOME), "what was adopted was restarted"


async def test_two_clusters_of_one_gateway_run_the_same_token_though_one_was_away_meanwhile(
    county: County,
) -> None:
    """It never heard of the request; it gets what the others got, and nothing more is issued."""
    county.settings = settings.HASTY
    await county.settle_in("oslo", HOME, AWAY, days=20)
    async with county.replicas(0):
        await county.adopted("oslo")
        await county.sandbox.sites[AWAY].outage()
        process = await county.tool("rotate-now", "oslo", "--no-wait")
        await process.communicate()
        await county.rests_in("oslo", HOME, 1)
        await county.sandbox.sites[AWAY].recover()
        await county.rests_in("oslo", AWAY, 1)
    assert {await one_token_everywhere(county, "oslo")} == county.minted("oslo")
