"""One gateway in two clusters: the real one, and the sandbox's as a second context of one kubeconfig."""

from __future__ import annotations

import asyncio

from sandbox.fleet import Deployed
from sandbox.fleet import deploy as deploy_there
from tests.cluster.e2e.fleet import Order
from tests.cluster.e2e.pods import fingerprints
from tests.cluster.e2e.process_env import PATIENCE, PREFIX, Town

AWAY = "harbour"
HASTY = 'recheck = "1s"\nlook_every = "1s"\n'


async def settle(town: Town, days: float = 3) -> tuple[Deployed, Deployed]:
    """A gateway in both, with one token."""
    town.settings = HASTY
    (here,) = await town.settle(Order("oslo", days=days))
    at = here.gateway.minted[0].expires_at
    there = await deploy_there(
        town.sandbox, "how-to", "oslo", namespace="apim", expires_at=at, replicas=2, cluster=AWAY
    )
    assert here.token_fingerprint == there.token_fingerprint
    town.places["oslo"].append(there)
    return here, there


def noted(town: Town, there: Deployed) -> dict[str, str]:
    """Our notes on the Secret of the sandbox's cluster."""
    secret = town.sandbox.sites[AWAY].cluster.get("Secret", there.namespace, there.secret)
    notes = secret["metadata"].get("annotations") or {}
    return {k.removeprefix(PREFIX): v for k, v in notes.items()}


async def follows(town: Town, there: Deployed, token: str) -> None:
    """Until the pods of the sandbox's cluster are proven to run the token."""
    await town.sandbox.sites[AWAY].cluster.wait_for(
        lambda _: noted(town, there).get("fingerprint") == token and "verified-at" in noted(town, there),
        PATIENCE,
    )
    mine = [p for p in await town.sandbox.pods() if p.cluster == AWAY]
    assert len(mine) == 2
    assert {(p.fingerprint, p.ok) for p in mine} == {(token, True)}


async def test_both_clusters_get_one_token(two_clusters: Town):
    here, there = await settle(two_clusters)
    async with two_clusters.daemon():
        token = await two_clusters.renewed_to(here)
        await follows(two_clusters, there, token)
    assert await fingerprints(two_clusters, here) == {token}


async def test_a_second_cluster_that_is_down_holds_up_only_itself(two_clusters: Town):
    here, there = await settle(two_clusters)
    await two_clusters.sandbox.sites[AWAY].outage()
    async with two_clusters.daemon():
        token = await two_clusters.renewed_to(here)
        assert "revision" not in noted(two_clusters, there)
        await two_clusters.sandbox.sites[AWAY].recover()
        await follows(two_clusters, there, token)
    issued = {m.fingerprint for m in here.gateway.minted} - {here.token_fingerprint}
    assert issued == {token}


async def test_no_key_is_ended_while_a_cluster_is_down(two_clusters: Town):
    """Its pods may run a token of that key."""
    here, there = await settle(two_clusters, days=20)
    town = two_clusters
    async with town.daemon():
        await town.until(here, lambda n: "fingerprint" in n)
        await town.sandbox.sites[AWAY].cluster.wait_for(
            lambda _: "fingerprint" in noted(town, there), PATIENCE
        )
        await town.sandbox.sites[AWAY].outage()
        await town.command("rotate-now", "oslo", "--revoke-previous", "--no-wait")
        token = await town.renewed_to(here)
        await asyncio.sleep(2)  # time to do it, if anything would
        assert sum(here.gateway.generations.values()) == 2
        await town.sandbox.sites[AWAY].recover()
        await follows(town, there, token)
        await town.until(here, lambda n: "condemned" not in n)
    assert sum(here.gateway.generations.values()) == 3
