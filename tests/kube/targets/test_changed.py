"""How a rollout is waited for. The limits are generous: a test that waits them out has failed."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from rotator.core.observation import Observation
from rotator.kube.client import paths
from tests.kube.scene import deployment, forbidden, only_target, only_workload, record_of, running

LONG = timedelta(minutes=10)
PROMPT = 60.0
"""Seconds. A wait that its event does not end takes LONG, and the test fails."""
WORKLOAD = paths.workload("default", "deployment/gw")


async def rolled_over(scene) -> Observation:
    """Write a new token, restart the workload, and return what is seen right after."""
    observation = await scene.store.observe()
    await scene.store.write(only_target(observation), scene.fresh, record_of(scene.fresh))
    await scene.store.restart(only_target(observation), only_workload(observation), scene.fresh.fingerprint)
    return await scene.store.observe()


async def until_healthy(store, observation: Observation) -> int:
    """Wait for the rollout as a rotation does; return how many looks that took."""
    looks = 0
    while not (only_workload(observation).healthy and only_workload(observation).restarted_at):
        async with asyncio.timeout(PROMPT):
            await store.changed(observation, LONG)
        observation, looks = await store.observe(), looks + 1
    return looks


async def test_a_rollout_is_followed_to_its_end_in_few_observations(scene):
    observation = await rolled_over(scene)
    looks = await until_healthy(scene.store, observation)
    gw = only_workload(await scene.store.observe())
    assert {pod.pod_token for pod in gw.pods} == {gw.template_token} == {scene.fresh.fingerprint}
    assert looks <= 15


async def test_a_rollout_of_many_pods_does_not_take_more_observations(scene):
    await running(scene.sandbox, deployment(replicas=20))
    assert await until_healthy(scene.store, await rolled_over(scene)) <= 30


async def test_a_token_that_is_removed_leaves_no_trace_on_the_template(scene):
    observation = await rolled_over(scene)
    await until_healthy(scene.store, observation)
    observation = await scene.store.observe()
    await scene.store.restart(only_target(observation), only_workload(observation), None)
    template = scene.sandbox.cluster.get("Deployment", "default", "gw")["spec"]["template"]
    assert not template["metadata"].get("annotations")
    assert only_workload(await scene.store.observe()).template_token is None


async def settled(scene) -> Observation:
    await until_healthy(scene.store, await rolled_over(scene))
    return await scene.store.observe()


async def returns_after(scene, observation: Observation, deed) -> None:
    """Wait for a change, do deed as soon as the watches are open, and return when the wait ends."""
    open_watches = scene.sandbox.faults.add(
        server="kubernetes", action="latency", path="/(pods|deployments)$", times=None
    )
    waiting = asyncio.create_task(scene.store.changed(observation, LONG))
    await open_watches.hit(2)
    await deed
    async with asyncio.timeout(PROMPT):
        await waiting


async def test_a_pod_that_goes_is_a_change(scene):
    observation = await settled(scene)
    name = only_workload(observation).pods[0].name
    await returns_after(
        scene, observation, scene.connection.call("DELETE", f"{paths.pods('default')}/{name}")
    )


async def test_a_workload_that_is_scaled_down_is_a_change(scene):
    observation = await settled(scene)
    await returns_after(scene, observation, scene.connection.patch(WORKLOAD, {"spec": {"replicas": 0}}, "gw"))


async def test_a_change_between_the_observation_and_the_wait_is_not_missed(scene):
    observation = await settled(scene)
    patch = {
        "spec": {"template": {"metadata": {"annotations": {"apim-token-rotator/token": "0123456789ab"}}}}
    }
    await scene.connection.patch(WORKLOAD, patch, "gw")
    async with asyncio.timeout(PROMPT):
        await scene.store.changed(observation, LONG)


async def test_what_no_decision_depends_on_is_no_change(scene):
    observation = await settled(scene)
    label = {"metadata": {"labels": {"team": "blue"}}}
    pod = f"{paths.pods('default')}/{only_workload(observation).pods[0].name}"
    waiting = asyncio.create_task(scene.store.changed(observation, timedelta(seconds=1)))
    began = asyncio.get_running_loop().time()
    await scene.connection.patch(pod, label, "pod")
    await scene.connection.patch(WORKLOAD, label, "gw")
    await waiting
    assert asyncio.get_running_loop().time() - began >= 0.9


async def test_waiting_ends_when_its_time_is_over(scene):
    observation = await settled(scene)
    async with asyncio.timeout(PROMPT):
        await scene.store.changed(observation, timedelta(seconds=0.1))


async def test_a_gap_lies_between_two_returns(scene):
    observation = await settled(scene)
    await scene.store.changed(observation, timedelta(seconds=0.01))
    first = asyncio.get_running_loop().time()
    await scene.store.changed(observation, timedelta(seconds=0.01))
    assert asyncio.get_running_loop().time() - first >= 0.19


@pytest.mark.parametrize("deed", ["compact", "drop_watches"])
async def test_a_watch_that_breaks_off_ends_the_wait(scene, deed):
    observation = await rolled_over(scene)

    async def act():
        getattr(scene.sandbox.cluster, deed)()

    await returns_after(scene, observation, act()) if deed == "drop_watches" else await act()
    async with asyncio.timeout(PROMPT):
        await scene.store.changed(observation, LONG)
    await until_healthy(scene.store, await scene.store.observe())


@pytest.mark.parametrize(
    "fault",
    [
        {"action": "status", "status": 403, "body": forbidden("pods")},
        {"action": "status", "status": 500},
        {"action": "reset"},
    ],
)
async def test_where_watching_fails_the_store_polls(scene, fault):
    """No watch gets through; every look does."""
    observation = await rolled_over(scene)
    scene.sandbox.faults.add(server="kubernetes", path="/(pods|deployments)$", times=2, **fault)
    async with asyncio.timeout(PROMPT):
        await scene.store.changed(observation, LONG)
    await until_healthy(scene.store, await scene.store.observe())


async def test_a_missing_right_to_watch_is_told_once(scene, caplog):
    """Not once a second, for as long as a rollout takes."""
    observation = await settled(scene)
    body = forbidden("pods")
    scene.sandbox.faults.add(
        server="kubernetes", path="/(pods|deployments)$", times=None, action="status", status=403, body=body
    )
    for _ in range(2):
        async with asyncio.timeout(PROMPT):
            await scene.store.changed(observation, LONG)
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(told) == 2, "one for each kind of object"
    assert all('verbs ["watch"]' in line for line in told)


async def test_a_server_that_freezes_is_given_up_by_the_clients_own_clock(scene):
    observation = await scene.store.observe()
    scene.connection.call_timeout = 0.2
    scene.sandbox.faults.add(server="kubernetes", path="/(pods|deployments)$", times=2, action="hang")
    async with asyncio.timeout(PROMPT):
        await scene.store.changed(observation, timedelta(seconds=0.3))


async def test_waiting_that_is_cancelled_leaves_no_watch_behind(scene):
    observation = await settled(scene)
    open_watches = scene.sandbox.faults.add(
        server="kubernetes", action="latency", path="/(pods|deployments)$", times=None
    )
    waiting = asyncio.create_task(scene.store.changed(observation, LONG))
    await open_watches.hit(2)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert not scene.connection._watches
    assert not scene.connection._client.rest_client.pool_manager.connector._acquired


async def test_more_watches_than_connections_allow_are_replaced_by_polling(scene):
    observation = await settled(scene)
    scene.connection._watches = 256
    before = len(scene.sandbox.journal.calls("kubernetes"))
    async with asyncio.timeout(PROMPT):
        await scene.store.changed(observation, LONG)
    assert len(scene.sandbox.journal.calls("kubernetes")) == before


async def test_a_restart_of_what_changed_meanwhile_is_a_conflict(scene):
    from rotator.errors import Conflict

    observation = await scene.store.observe()
    await scene.connection.patch(WORKLOAD, {"metadata": {"labels": {"a": "b"}}}, "gw")
    with pytest.raises(Conflict):
        await scene.store.restart(
            only_target(observation), only_workload(observation), scene.fresh.fingerprint
        )
    await scene.connection.call("DELETE", WORKLOAD)
    with pytest.raises(Conflict, match="deleted"):
        await scene.store.restart(
            only_target(observation), only_workload(observation), scene.fresh.fingerprint
        )
