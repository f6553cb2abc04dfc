"""Every kind of workload is rolled over by the sandbox's controllers and judged by what it says."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from rotator.core.observation import Workload
from rotator.errors import Refused
from rotator.kube import check_access
from sandbox.fleet import deploy
from tests.kube.scene import (
    Json,
    deployment,
    in_days,
    issued,
    only_target,
    only_unobserved,
    only_workload,
    record_of,
    running,
    secret,
    target,
    target_store,
)

LONG = timedelta(seconds=30)
ROLLING = {"type": "RollingUpdate"}
ON_DELETE = {"type": "OnDelete"}


def of_kind(kind: str, **spec) -> Json:
    manifest = deployment() | {"kind": kind}
    manifest["spec"] |= spec
    if kind == "StatefulSet":
        manifest["spec"]["serviceName"] = "gw"
    if kind == "DaemonSet":
        del manifest["spec"]["replicas"]
    return manifest


class Roller:
    """Rolls `gw` over to a mark and waits until it looks as wanted."""

    def __init__(self, scene, kind: str) -> None:
        self.scene = scene
        self.store = target_store(scene.connection, target("s", f"{kind.lower()}/gw"))

    async def look(self) -> Workload:
        self.seen = await self.store.observe()
        return only_workload(self.seen)

    async def restart(self, mark: str | None = "0123456789ab") -> None:
        await self.store.restart(only_target(self.seen), await self.look(), mark)

    async def until(self, wanted, within: timedelta = LONG) -> Workload:
        async with asyncio.timeout(60):
            while not wanted(found := await self.look()):
                await self.store.changed(self.seen, within)
        return found


@pytest.fixture
def roll(scene):
    """Replace Deployment gw by another workload of the same name, and wait until it is healthy."""

    async def roll(kind: str, **spec) -> Roller:
        scene.sandbox.cluster.delete("Deployment", "default", "gw")
        await scene.sandbox.cluster.wait_for(lambda cluster: not cluster.list("Pod", "default"))
        scene.sandbox.cluster.apply(of_kind(kind, **spec))
        roller = Roller(scene, kind)
        await roller.until(lambda workload: workload.healthy)
        return roller

    return roll


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("Deployment", {}),
        ("Deployment", {"strategy": {"type": "Recreate"}}),
        ("StatefulSet", {"updateStrategy": ROLLING}),
        ("StatefulSet", {"updateStrategy": ROLLING, "podManagementPolicy": "Parallel"}),
        ("DaemonSet", {"updateStrategy": ROLLING}),
    ],
)
async def test_a_rollout_ends_with_the_token_on_every_pod_and_goes_back_likewise(roll, kind, spec):
    roller = await roll(kind, **spec)
    for mark in ("0123456789ab", None):
        await roller.restart(mark)
        found = await roller.until(
            lambda workload, mark=mark: workload.healthy and workload.template_token == mark
        )
        assert {pod.pod_token for pod in found.pods} == {mark}
        assert (found.failed, found.note) == (False, "")


@pytest.mark.parametrize(
    ("fault", "note"),
    [
        ("never-ready", "new pods ready"),
        ("crash-loop", "CrashLoopBackOff"),
        ("image-pull", "waiting for image"),
    ],
)
async def test_pods_that_do_not_come_up_fail_the_rollout_and_the_note_says_why(scene, roll, fault, note):
    roller = await roll("Deployment", progressDeadlineSeconds=1)
    scene.sandbox.cluster.set_pod_fault("default", "gw", fault)
    await roller.restart()
    await roller.until(lambda workload: note in workload.note)
    found = await roller.until(lambda workload: workload.failed)
    assert "exceeded its progress deadline" in found.note
    assert not found.healthy
    scene.sandbox.cluster.set_pod_fault("default", "gw", None)
    await roller.restart(None)
    assert (await roller.until(lambda workload: workload.healthy)).template_token is None


async def test_a_paused_deployment_waits_to_be_resumed(roll):
    roller = await roll("Deployment")
    roller.scene.sandbox.cluster.patch("Deployment", "default", "gw", {"spec": {"paused": True}})
    await roller.restart()
    found = await roller.until(lambda workload: "paused" in workload.note)
    assert not found.healthy


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
async def test_a_workload_that_replaces_no_pods_itself_says_so(scene, roll, kind):
    roller = await roll(kind, updateStrategy=ON_DELETE)
    await roller.restart()
    found = await roller.until(lambda workload: "OnDelete: delete its pods yourself" in workload.note)
    assert not found.healthy
    for pod in found.pods:
        scene.sandbox.cluster.delete("Pod", "default", pod.name)
    assert {pod.pod_token for pod in (await roller.until(lambda workload: workload.healthy)).pods} == {
        "0123456789ab"
    }


async def test_pods_below_a_partition_keep_the_workload_from_being_healthy(roll):
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    roller = await roll("StatefulSet", updateStrategy=rolling)
    await roller.restart()
    # Only the note may still change, on which nothing depends: that ends no wait.
    found = await roller.until(lambda workload: "partition 1" in workload.note, timedelta(seconds=1))
    assert (found.complete, found.healthy, len({pod.pod_token for pod in found.pods})) == (False, False, 2)


@pytest.mark.parametrize("layout", ["how-to", "portal", "helm"])
async def test_every_way_to_deploy_a_gateway_is_found_without_naming_key_or_workload(
    sandbox, connection, layout
):
    placed = await deploy(sandbox, layout, "gw1", namespace="apim", expires_at=in_days(9), replicas=2)
    settings = target(placed.secret).model_copy(update={"namespace": "apim"})
    store = target_store(connection, settings)
    found = only_target(await store.observe())
    assert (found.fingerprint, found.expires_at, found.misconfiguration) == (
        placed.token_fingerprint,
        in_days(9),
        "",
    )
    assert [(workload.name, workload.healthy, len(workload.pods)) for workload in found.workloads] == [
        (placed.workload, True, 2)
    ]
    fresh = issued(placed.gateway.mint("secondary", in_days(29)), in_days(29))
    await store.write(found, fresh, record_of(fresh))
    await store.restart(found, found.workloads[0], fresh.fingerprint)
    observation = await store.observe()
    async with asyncio.timeout(60):
        while not (
            only_workload(observation).healthy
            and only_workload(observation).template_token == fresh.fingerprint
        ):
            await store.changed(observation, LONG)
            observation = await store.observe()
    assert {(pod.fingerprint, pod.ok) for pod in await sandbox.pods()} == {(fresh.fingerprint, True)}


async def test_a_right_that_rbac_does_not_grant_is_named(scene):
    scene.sandbox.cluster.deny("get", "secrets")
    assert (
        'resources ["secrets"], resourceNames ["s"], verbs ["get"]'
        in only_unobserved(await scene.store.observe()).why
    )
    with pytest.raises(Refused, match=r'verbs \["get"\]'):
        await check_access(scene.connection, "default", "s")


async def test_two_workloads_of_one_secret_are_both_seen(scene):
    scene.sandbox.cluster.apply(secret(f"GatewayKey {scene.value}"))
    await running(scene.sandbox, deployment("second", replicas=1))
    store = target_store(scene.connection, target("s", "deployment/gw", "deployment/second"))
    assert [len(workload.pods) for workload in only_target(await store.observe()).workloads] == [2, 1]


@pytest.mark.parametrize(
    ("kind", "spec", "ordered"),
    [
        ("StatefulSet", {}, True),
        ("StatefulSet", {"podManagementPolicy": "OrderedReady", "updateStrategy": ROLLING}, True),
        ("StatefulSet", {"podManagementPolicy": "Parallel"}, False),
        ("StatefulSet", {"updateStrategy": {"type": "OnDelete"}}, False),
        ("Deployment", {}, False),
        ("DaemonSet", {}, False),
    ],
)
async def test_only_ordered_stateful_sets_wait_for_pods_that_do_not_work(scene, roll, kind, spec, ordered):
    roller = await roll(kind, **spec)
    assert only_workload(roller.seen).ordered is ordered
