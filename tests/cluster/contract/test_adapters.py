"""What our own adapters make of both servers: evictions, restart counts, who wrote a value."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from rotator.config import KubernetesSettings, TargetSettings
from rotator.core.access_token import fingerprint
from rotator.core.observation import Observation, Target, Workload
from rotator.core.records import Decision, Key, Record, Token
from rotator.errors import Conflict, Unavailable
from rotator.kube import Clusters, KubeEvictor, KubeLease, KubeTargetStore
from rotator.ports import IssuedToken
from tests.cluster.api import MERGE, path
from tests.cluster.contract.manifests import marked, secret, workload
from tests.cluster.contract.test_evictions import guard
from tests.cluster.contract.test_rollouts import rolled_out
from tests.cluster.plane.reach import certified
from tests.cluster.world import World
from tests.kube.objects import token

MARK = "0123456789ab"
Make = Callable[[str], KubeTargetStore]


def now() -> datetime:
    return datetime.now(UTC)


@pytest_asyncio.fixture(loop_scope="session")
async def make(world: World, tmp_path: Path) -> AsyncIterator[Make]:
    """Fleets over Secret s and StatefulSet w of a namespace."""
    reach = world.reach
    user = certified(reach.certificate) if reach.certificate else {"token": reach.token}
    settings = KubernetesSettings(kubeconfig=reach.kubeconfig(tmp_path / "config", user))
    async with await Clusters.connect(settings, [None], "apim-token-rotator/test", environ={}) as clusters:

        def make(namespace: str) -> KubeTargetStore:
            lease = KubeLease(clusters.home, namespace, "lease", "tests", timedelta(seconds=30))
            target = TargetSettings(namespace=namespace, secret="s", key="value")
            return KubeTargetStore(clusters, "gw1", [target], lease, now)

        yield make


async def running(world: World) -> str:
    """A namespace with a Secret and an ordered StatefulSet of two pods that reads it."""
    namespace = await world.namespace()
    await world.api.create(secret(value=token()), namespace)
    manifest = workload("StatefulSet")
    manifest["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"secretRef": {"name": "s"}}]
    await world.api.create(manifest, namespace)
    await world.until("StatefulSet", namespace, "w", lambda obj: rolled_out("StatefulSet", obj))
    return namespace


def only(seen: Observation) -> Target:
    (target,) = seen.targets
    return target


async def until(fleet: KubeTargetStore, wanted: Callable[[Workload], bool]) -> Target:
    async with asyncio.timeout(40):
        while not wanted((target := only(seen := await fleet.observe())).workloads[0]):
            await fleet.changed(seen, timedelta(seconds=5))
    return target


async def restart(fleet: KubeTargetStore, mark: str) -> None:
    """Restart the workload, as often as its controller's writes get in the way."""
    while True:
        target = only(await fleet.observe())
        try:
            await fleet.restart(target, target.workloads[0], mark)
        except Conflict:
            continue
        return


async def test_a_stuck_stateful_set_is_freed_in_spite_of_its_budget(world: World, make: Make) -> None:
    namespace = await running(world)
    fleet = make(namespace)
    await guard(world, namespace, minAvailable=2)
    await world.api.patch("StatefulSet", namespace, "w", marked(None, "never-ready"))
    stuck = await until(fleet, lambda w: len(w.pods) == 2 and any(not p.works and p.instance for p in w.pods))
    (broken,) = [p for p in stuck.workloads[0].pods if not p.works]
    await world.api.patch("StatefulSet", namespace, "w", marked(None, None))
    await restart(fleet, MARK)
    target = await until(fleet, lambda w: w.template_token == MARK and broken in w.pods)
    assert target.workloads[0].ordered
    await KubeEvictor(fleet).evict(target, broken)
    healed = await until(fleet, lambda w: w.healthy)
    assert {p.pod_token for p in healed.workloads[0].pods} == {MARK}


async def test_a_budget_keeps_pods_that_work(world: World, make: Make) -> None:
    namespace = await running(world)
    fleet = make(namespace)
    await guard(world, namespace, minAvailable=2)
    target = await until(fleet, lambda w: w.healthy)
    with pytest.raises(Unavailable, match="disruption budget b needs 2 healthy pods") as withheld:
        await KubeEvictor(fleet).evict(target, target.workloads[0].pods[0])
    assert withheld.value.retry_after == timedelta(seconds=30)


async def test_the_next_pod_of_the_same_name_is_left_alone(world: World, make: Make) -> None:
    namespace = await running(world)
    fleet = make(namespace)
    target = await until(fleet, lambda w: w.healthy)
    old = target.workloads[0].pods[0]
    await KubeEvictor(fleet).evict(target, old)
    uid = fleet.pod(target.name, old)["metadata"]["uid"]
    await world.until("Pod", namespace, old.name, lambda obj: bool(obj["metadata"]["uid"] != uid))
    with pytest.raises(Conflict):
        await KubeEvictor(fleet).evict(target, old)
    left = await world.api.get("Pod", namespace, old.name)
    assert "deletionTimestamp" not in left["metadata"]


async def test_restarts_are_counted_with_the_restart(world: World, make: Make) -> None:
    fleet = make(await running(world))
    for mark in (MARK, MARK[::-1]):
        await restart(fleet, mark)
    found = only(await fleet.observe()).workloads[0]
    assert (found.restarts, found.template_token, found.note.count("last written by")) == (2, MARK[::-1], 0)


async def test_who_replaced_the_value_is_named(world: World, make: Make) -> None:
    namespace = await running(world)
    fleet, ours = make(namespace), token(fill=b"y")
    await write(fleet, ours)
    assert only(await fleet.observe()).writer == ""
    await replaced_by(world, namespace, "argocd-controller")
    assert only(await fleet.observe()).writer.startswith("argocd-controller (Update, ")


async def write(fleet: KubeTargetStore, value: str) -> None:
    at = now() + timedelta(days=29)
    kept = Token(fingerprint(value), Key.SECONDARY, now(), at, fingerprint(value))
    issued = IssuedToken(value, Key.SECONDARY, kept.fingerprint, at)
    await fleet.write(only(await fleet.observe()), issued, Record(Decision(1, kept)))


async def replaced_by(world: World, namespace: str, manager: str) -> None:
    body = {"data": secret(value=token())["data"]}
    where = f"{path('Secret', namespace, 's')}?fieldManager={manager}"
    assert (await world.api.call("PATCH", where, body, MERGE)).status == 200


async def test_who_took_the_mark_off_the_template_is_named(world: World, make: Make) -> None:
    namespace = await running(world)
    fleet = make(namespace)
    await restart(fleet, MARK)
    await until(fleet, lambda w: w.healthy)
    await asyncio.sleep(1.1)  # managedFields have whole seconds
    await world.api.patch("StatefulSet", namespace, "w", marked(None, "ok"))
    found = await until(fleet, lambda w: w.template_token is None)
    assert "template last written by" in found.workloads[0].note
