from __future__ import annotations

import asyncio

import pytest

from sandbox.cluster.objects import is_ready
from tests.cluster.e2e.fleet import Order
from tests.cluster.e2e.pods import breaks, fingerprints, mark, restored, running, workload
from tests.cluster.e2e.process_env import PATIENCE, Town
from tests.cluster.plane.control import ControlPlane

PATIENT = 'recheck = "1s"\nroll_back = false\n'
"""The outage may outlast the progress deadline."""


async def renewing(town: Town, behavior: str):
    """A gateway whose new pods do not get ready; its namespace has two pods on the old token."""
    (place,) = await town.settle(Order("oslo"))
    breaks(town, place, behavior)
    return place


async def rolling(town: Town, place) -> None:
    """Until the template carries the new token's mark."""
    await town.world.until(*workload(place), mark, PATIENCE)


async def heal(town: Town, place) -> None:
    """Let pods start well, and have those that are stuck start anew."""
    breaks(town, place, None)
    for pod in await town.world.api.list("Pod", place.namespace):
        if not is_ready(pod):
            await town.world.api.delete("Pod", place.namespace, pod["metadata"]["name"])


async def set_back(town: Town, place, old) -> None:
    """Put an old value into the Secret, and wait until it is replaced."""
    await town.world.api.patch("Secret", place.namespace, place.secret, {"data": old["data"]})
    await town.world.until(
        "Secret", place.namespace, place.secret, lambda s: s["data"] != old["data"], PATIENCE
    )


@pytest.mark.parametrize("behavior", ["never-ready", "crash-loop", "image-pull", "hang"])
async def test_a_rollout_that_does_not_get_ready_is_rolled_back_and_told(town: Town, behavior: str):
    place = await renewing(town, behavior)
    before = await running(town, place)
    async with town.daemon() as daemon:
        line = await daemon.line(lambda x: x["event"] == "rotation" and x["result"] != "adopted", PATIENCE)
        await restored(town, place)
    assert (line["gateway"], line["result"], line["level"]) == ("oslo", "rolled-back", "error")
    assert await running(town, place) == before
    assert await fingerprints(town, place) == {place.token_fingerprint}
    events = await town.world.api.list("Event", place.namespace)
    assert "RolloutFailed" in {e["reason"] for e in events if e["type"] == "Warning"}


async def test_an_api_server_that_is_killed_and_started_anew_in_mid_rotation(town: Town, plane: ControlPlane):
    """Every version handed out before is expired then: the watch has to begin again."""
    town.settings = PATIENT
    place = await renewing(town, "hang")
    async with town.daemon():
        await rolling(town, place)
        await plane.apiserver.kill()
        await asyncio.sleep(3)  # an outage takes time
        await plane.start_apiserver()
        await heal(town, place)
        await town.renewed()
    await town.every_pod_runs_the_new_token()
    assert (await town.notes(place))["revision"] == "1"


@pytest.mark.parametrize("server", ["apiserver", "etcd"])
async def test_a_server_that_freezes_in_mid_rotation(town: Town, plane: ControlPlane, server: str):
    town.settings = PATIENT
    place = await renewing(town, "hang")
    frozen = getattr(plane, server)
    async with town.daemon():
        await rolling(town, place)
        frozen.pause()
        try:
            await asyncio.sleep(6)  # an outage takes time
        finally:
            frozen.resume()
        await plane.ready()
        await heal(town, place)
        await town.renewed()
    await town.every_pod_runs_the_new_token()
    assert (await town.notes(place))["revision"] == "1"


async def test_a_daemon_that_is_killed_in_mid_rotation_issues_no_second_token(town: Town):
    town.settings = PATIENT
    place = await renewing(town, "hang")
    async with town.daemon() as daemon:
        await rolling(town, place)
        await daemon.kill()
    await heal(town, place)
    async with town.daemon():
        await town.renewed()
    await town.every_pod_runs_the_new_token()
    assert (await town.notes(place))["revision"] == "1"


async def test_an_expired_account_token_is_read_anew_from_its_file(town: Town, plane: ControlPlane):
    """The file holds a short-lived token first, then none that is valid, then a new one."""
    town.settings = 'look_every = "1s"\nrecheck = "1s"'
    (place,) = await town.settle(Order("oslo"))
    old = await town.world.api.get("Secret", place.namespace, place.secret)
    async with town.daemon() as daemon:
        await town.renewed()
        town.account.expire_in(plane, 3)
        await daemon.line(lambda line: "credentials (401)" in str(line), within=PATIENCE)
        await town.account.refresh()
        await set_back(town, place, old)
        await town.renewed()
    await town.every_pod_runs_the_new_token()


async def test_a_secret_that_helm_sets_back_is_repaired_without_a_new_token(town: Town):
    """helm upgrade puts the value of its chart back, and leaves annotations that it does not know."""
    town.settings = 'look_every = "1s"'
    (place,) = await town.settle(Order("oslo", "helm"))
    old = await town.world.api.get("Secret", place.namespace, place.secret)
    async with town.daemon():
        await town.renewed()
        new = await town.token(place)
        await set_back(town, place, old)
        await town.renewed()
    assert await town.token(place) == new
    await town.every_pod_runs_the_new_token()
