"""One gateway in two clusters: the real one, and the sandbox's as a second context of one kubeconfig."""

from __future__ import annotations

import asyncio

from sandbox.fleet import Deployed
from sandbox.fleet import deploy as deploy_there
from tests.cluster.e2e.fleet import Order
from tests.cluster.e2e.pods import fingerprints
from tests.cluster.e2e.process_env import PREFIX, WAIT_TIMEOUT, ClusterEnv

AWAY = "harbour"
FAST_CHECKS = 'recheck = "1s"\nlook_every = "1s"\n'


async def deploy_in_both(env: ClusterEnv, days: float = 3) -> tuple[Deployed, Deployed]:
    """A gateway in both, with one token."""
    env.settings = FAST_CHECKS
    (here,) = await env.deploy(Order("oslo", days=days))
    at = here.gateway.minted[0].expires_at
    there = await deploy_there(
        env.sandbox, "how-to", "oslo", namespace="apim", expires_at=at, replicas=2, cluster=AWAY
    )
    assert here.token_fingerprint == there.token_fingerprint
    env.places["oslo"].append(there)
    return here, there


def noted(env: ClusterEnv, there: Deployed) -> dict[str, str]:
    """Our notes on the Secret of the sandbox's cluster."""
    secret = env.sandbox.clusters[AWAY].cluster.get("Secret", there.namespace, there.secret)
    notes = secret["metadata"].get("annotations") or {}
    return {k.removeprefix(PREFIX): v for k, v in notes.items()}


async def follows(env: ClusterEnv, there: Deployed, token: str) -> None:
    """Until the pods of the sandbox's cluster are proven to run the token."""
    await env.sandbox.clusters[AWAY].cluster.wait_for(
        lambda _: noted(env, there).get("fingerprint") == token and "verified-at" in noted(env, there),
        WAIT_TIMEOUT,
    )
    mine = [p for p in await env.sandbox.pods() if p.cluster == AWAY]
    assert len(mine) == 2
    assert {(p.fingerprint, p.ok) for p in mine} == {(token, True)}


async def test_both_clusters_get_one_token(two_clusters: ClusterEnv):
    here, there = await deploy_in_both(two_clusters)
    async with two_clusters.daemon():
        token = await two_clusters.renewed_to(here)
        await follows(two_clusters, there, token)
    assert await fingerprints(two_clusters, here) == {token}


async def test_a_second_cluster_that_is_down_holds_up_only_itself(two_clusters: ClusterEnv):
    here, there = await deploy_in_both(two_clusters)
    await two_clusters.sandbox.clusters[AWAY].outage()
    async with two_clusters.daemon():
        token = await two_clusters.renewed_to(here)
        assert "revision" not in noted(two_clusters, there)
        await two_clusters.sandbox.clusters[AWAY].recover()
        await follows(two_clusters, there, token)
    issued = {m.fingerprint for m in here.gateway.minted} - {here.token_fingerprint}
    assert issued == {token}


async def test_no_key_is_ended_while_a_cluster_is_down(two_clusters: ClusterEnv):
    """Its pods may run a token of that key."""
    here, there = await deploy_in_both(two_clusters, days=20)
    env = two_clusters
    async with env.daemon():
        await env.until(here, lambda n: "fingerprint" in n)
        await env.sandbox.clusters[AWAY].cluster.wait_for(
            lambda _: "fingerprint" in noted(env, there), WAIT_TIMEOUT
        )
        await env.sandbox.clusters[AWAY].outage()
        await env.command("rotate-now", "oslo", "--revoke-previous", "--no-wait")
        token = await env.renewed_to(here)
        await asyncio.sleep(2)  # time to do it, if anything would
        assert sum(here.gateway.generations.values()) == 2
        await env.sandbox.clusters[AWAY].recover()
        await follows(env, there, token)
        await env.until(here, lambda n: "condemned" not in n)
    assert sum(here.gateway.generations.values()) == 3
