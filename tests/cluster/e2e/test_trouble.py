from __future__ import annotations

import asyncio

import pytest

from sandbox.cluster.objects import is_ready
from tests.cluster.e2e.fleet import Order
from tests.cluster.e2e.pods import breaks, fingerprints, mark, restored, running, workload
from tests.cluster.e2e.process_env import WAIT_TIMEOUT, ClusterEnv
from tests.cluster.plane.control import ControlPlane

PATIENT = 'recheck = "1s"\nroll_back = false\n'
"""The outage may outlast the progress deadline."""


async def renewing(env: ClusterEnv, behavior: str):
    """A gateway whose new pods do not get ready; its namespace has two pods on the old token."""
    (place,) = await env.deploy(Order("oslo"))
    breaks(env, place, behavior)
    return place


async def rolling(env: ClusterEnv, place) -> None:
    """Until the template carries the new token's mark."""
    await env.world.until(*workload(place), mark, WAIT_TIMEOUT)


async def heal(env: ClusterEnv, place) -> None:
    """Let pods start well, and have those that are stuck start anew."""
    breaks(env, place, None)
    for pod in await env.world.api.list("Pod", place.namespace):
        if not is_ready(pod):
            await env.world.api.delete("Pod", place.namespace, pod["metadata"]["name"])


async def set_back(env: ClusterEnv, place, old) -> None:
    """Put an old value into the Secret, and wait until it is replaced."""
    await env.world.api.patch("Secret", place.namespace, place.secret, {"data": old["data"]})
    await env.world.until(
        "Secret", place.namespace, place.secret, lambda s: s["data"] != old["data"], WAIT_TIMEOUT
    )


@pytest.mark.parametrize("behavior", ["never-ready", "crash-loop", "image-pull", "hang"])
async def test_a_rollout_that_does_not_get_ready_is_rolled_back_and_told(env: ClusterEnv, behavior: str):
    place = await renewing(env, behavior)
    before = await running(env, place)
    async with env.daemon() as daemon:
        line = await daemon.line(
            lambda x: x["event"] == "rotation" and x["result"] != "adopted", WAIT_TIMEOUT
        )
        await restored(env, place)
    assert (line["gateway"], line["result"], line["level"]) == ("oslo", "rolled-back", "error")
    assert await running(env, place) == before
    assert await fingerprints(env, place) == {place.token_fingerprint}
    events = await env.world.api.list("Event", place.namespace)
    assert "RolloutFailed" in {e["reason"] for e in events if e["type"] == "Warning"}


async def test_an_api_server_that_is_killed_and_started_anew_in_mid_rotation(
    env: ClusterEnv, plane: ControlPlane
):
    """Every version handed out before is expired then: the watch has to begin again."""
    env.settings = PATIENT
    place = await renewing(env, "hang")
    async with env.daemon():
        await rolling(env, place)
        await plane.apiserver.kill()
        await asyncio.sleep(3)  # an outage takes time
        await plane.start_apiserver()
        await heal(env, place)
        await env.renewed()
    await env.every_pod_runs_the_new_token()
    assert (await env.notes(place))["revision"] == "1"


@pytest.mark.parametrize("server", ["apiserver", "etcd"])
async def test_a_server_that_freezes_in_mid_rotation(env: ClusterEnv, plane: ControlPlane, server: str):
    env.settings = PATIENT
    place = await renewing(env, "hang")
    frozen = getattr(plane, server)
    async with env.daemon():
        await rolling(env, place)
        frozen.pause()
        try:
            await asyncio.sleep(6)  # an outage takes time
        finally:
            frozen.resume()
        await plane.ready()
        await heal(env, place)
        await env.renewed()
    await env.every_pod_runs_the_new_token()
    assert (await env.notes(place))["revision"] == "1"


async def test_a_daemon_that_is_killed_in_mid_rotation_issues_no_second_token(env: ClusterEnv):
    env.settings = PATIENT
    place = await renewing(env, "hang")
    async with env.daemon() as daemon:
        await rolling(env, place)
        await daemon.kill()
    await heal(env, place)
    async with env.daemon():
        await env.renewed()
    await env.every_pod_runs_the_new_token()
    assert (await env.notes(place))["revision"] == "1"


async def test_an_expired_account_token_is_read_anew_from_its_file(env: ClusterEnv, plane: ControlPlane):
    """The file holds a short-lived token first, then none that is valid, then a new one."""
    env.settings = 'look_every = "1s"\nrecheck = "1s"'
    (place,) = await env.deploy(Order("oslo"))
    old = await env.world.api.get("Secret", place.namespace, place.secret)
    async with env.daemon() as daemon:
        await env.renewed()
        env.account.expire_in(plane, 3)
        await daemon.line(lambda line: "credentials (401)" in str(line), within=WAIT_TIMEOUT)
        await env.account.refresh()
        await set_back(env, place, old)
        await env.renewed()
    await env.every_pod_runs_the_new_token()


async def test_a_secret_that_helm_sets_back_is_repaired_without_a_new_token(env: ClusterEnv):
    """helm upgrade puts the value of its chart back, and leaves annotations that it does not know."""
    env.settings = 'look_every = "1s"'
    (place,) = await env.deploy(Order("oslo", "helm"))
    old = await env.world.api.get("Secret", place.namespace, place.secret)
    async with env.daemon():
        await env.renewed()
        new = await env.token(place)
        await set_back(env, place, old)
        await env.renewed()
    assert await env.token(place) == new
    await env.every_pod_runs_the_new_token()
