"""The key of a leaked token is regenerated, and no client that is served notices."""

from __future__ import annotations

from rotator.core.records import Key
from tests.cluster.e2e.fleet import Order
from tests.cluster.e2e.pods import fingerprints, running
from tests.cluster.e2e.process_env import ClusterEnv

DAYS = 20
"""Far from its expiry: nothing but the command asks for a rotation."""


def alive(place, key: Key) -> bool:
    """Whether Azure takes the tokens of this key that it gave out so far."""
    return all(place.gateway.generations[key] == m.generation for m in place.gateway.minted if m.key == key)


async def test_a_leaked_token_is_dead_after_one_command_and_all_pods_live(env: ClusterEnv):
    env.settings = 'look_every = "1s"\n'
    (place,) = await env.deploy(Order("oslo", days=DAYS))
    async with env.daemon():
        await env.until(place, lambda n: "fingerprint" in n)
        code, said = await env.command("rotate-now", "oslo", "--revoke-previous")
    assert code == 0, said
    assert "the tokens of the key before are dead" in said
    assert not alive(place, Key.PRIMARY)
    assert alive(place, Key.SECONDARY)
    assert len(await running(env, place)) == 2
    await env.every_pod_runs_the_new_token()
    assert "condemned" not in await env.notes(place)


async def test_no_key_is_ended_while_a_pod_of_the_old_token_still_serves(env: ClusterEnv):
    """The new pods do not get ready: the old ones go on with the leaked token until they are replaced."""
    (place,) = await env.deploy(Order("oslo", days=DAYS))
    env.settings = 'look_every = "1s"\nrecheck = "1s"\nroll_back = false\n'
    async with env.daemon():
        await env.until(place, lambda n: "fingerprint" in n)
        env.kubelet.behavior.order(place.namespace, "image-pull")
        code, said = await env.command("rotate-now", "oslo", "--revoke-previous", "--no-wait")
        assert code == 0, said
        notes = await env.until(place, lambda n: n["fingerprint"] != place.token_fingerprint)
        assert notes["condemned"] == Key.PRIMARY
        assert await fingerprints(env, place) == {place.token_fingerprint}
        assert alive(place, Key.PRIMARY)
        env.kubelet.behavior.order(place.namespace, None)  # a pull is tried again by itself
        await env.until(place, lambda n: "condemned" not in n)
    assert not alive(place, Key.PRIMARY)
    await env.every_pod_runs_the_new_token()
