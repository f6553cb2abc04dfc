from __future__ import annotations

import asyncio

import pytest

from tests.cluster.e2e.fleet import Order
from tests.cluster.e2e.town import PATIENCE, Town
from tests.cluster.plane.control import ControlPlane


async def renewing(town: Town, behavior: str):
    """A gateway whose new pods do not get ready; its namespace has two pods on the old token."""
    (place,) = await town.settle(Order("oslo"))
    town.kubelet.behavior.order(place.namespace, behavior)
    return place


async def rolling(town: Town, place) -> None:
    """Until the template carries the new token's mark."""
    kind, _, name = place.workload.partition("/")
    assert kind == "deployment"
    await town.world.until(
        "Deployment",
        place.namespace,
        name,
        lambda d: "apim-token-rotator/token" in (d["spec"]["template"]["metadata"].get("annotations") or {}),
        PATIENCE,
    )


async def heal(town: Town, place) -> None:
    """Let pods start well, and have those that are stuck start anew."""
    town.kubelet.behavior.order(place.namespace, None)
    for pod in await town.world.api.list("Pod", place.namespace):
        if not _ready(pod):
            await town.world.api.delete("Pod", place.namespace, pod["metadata"]["name"])


async def set_back(town: Town, place, old) -> None:
    """Put an old value into the Secret, and wait until it is replaced."""
    await town.world.api.patch("Secret", place.namespace, place.secret, {"data": old["data"]})
    await town.world.until(
        "Secret", place.namespace, place.secret, lambda s: s["data"] != old["data"], PATIENCE
    )


def _ready(pod) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


async def fingerprints(town: Town, place) -> set[str]:
    """Tokens that ready pods run."""
    ready = {p["metadata"]["name"] for p in await town.world.api.list("Pod", place.namespace) if _ready(p)}
    mine = [p for p in await town.sandbox.pods() if p.namespace == place.namespace and p.name in ready]
    assert all(p.ok for p in mine)
    return {p.fingerprint for p in mine}


@pytest.mark.parametrize("behavior", ["never-ready", "crash-loop", "image-pull", "hang"])
async def test_a_rollout_that_does_not_get_ready_leaves_the_old_pods_and_is_told(town: Town, behavior: str):
    town.settings = 'recheck = "1s"'
    place = await renewing(town, behavior)
    async with town.daemon() as daemon:
        line = await daemon.line(lambda x: x["event"] == "rotation" and x["result"] != "ok", PATIENCE)
        assert "verified-at" not in await town.notes(place)
        assert await fingerprints(town, place) == {place.token_fingerprint}
        assert line["gateway"] == "oslo"
        await heal(town, place)
        await town.renewed()
    await town.every_pod_runs_the_new_token()


async def test_an_api_server_that_is_killed_and_started_anew_in_mid_rotation(town: Town, plane: ControlPlane):
    """Every version handed out before is expired then: the watch has to begin again."""
    town.settings = 'recheck = "1s"'  # the outage may outlast the progress deadline
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
    town.settings = 'recheck = "1s"'  # the outage may outlast the progress deadline
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
