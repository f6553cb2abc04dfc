"""One gateway over two clusters: what is where, and whose absence delays whom."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from rotator.core.observation import Request
from rotator.errors import Refused, Unavailable
from rotator.kube.client import paths
from tests.kube.scene import deployment, now, record_of, running
from tests.kube.two_clusters import names, target_at_home, target_in_west, unobserved, until_seen

BOTH = ["default/s", "west:default/s"]
LONG = timedelta(minutes=10)
PROMPT = 60.0
"""Seconds. A wait that its event does not end takes LONG, and the test fails."""


async def test_targets_of_two_clusters_are_seen_at_once(two_clusters):
    observation = await (await two_clusters.store()).observe()
    assert (names(observation), observation.unreachable) == (BOTH, ())
    assert [
        (target.prefixed, len(target.workloads[0].pods), target.misconfiguration)
        for target in observation.targets
    ] == [(True, 2, "")] * 2
    assert not [call for call in two_clusters.asked_west() if "/leases" in call]


async def test_each_target_is_written_and_restarted_where_it_is(two_clusters):
    store, fresh = await two_clusters.store(), two_clusters.fresh()
    _, west = (await store.observe()).targets
    await store.write(west, fresh, record_of(fresh))
    await store.restart(west, west.workloads[0], fresh.fingerprint)
    observation = await until_seen(
        store,
        lambda observation: (
            {pod.pod_token for pod in observation.targets[1].workloads[0].pods} == {fresh.fingerprint}
        ),
    )
    assert [target.fingerprint == fresh.fingerprint for target in observation.targets] == [False, True]
    assert observation.targets[0].workloads[0].template_token is None


async def test_requests_are_noted_where_the_target_is(two_clusters):
    store, wish = await two_clusters.store(), Request(now(), by="an operator")
    for target in (await store.secrets()).targets:
        await store.request(target, wish)
    assert [target.request for target in (await store.secrets()).targets] == [wish, wish]


async def test_a_token_is_found_in_another_cluster(two_clusters):
    store, fresh = await two_clusters.store(), two_clusters.fresh()
    await store.write((await store.observe()).targets[1], fresh, record_of(fresh))
    assert (await store.find(fresh.fingerprint)).value == fresh.value


async def test_an_unreachable_cluster_delays_no_other(two_clusters):
    store, fresh = await two_clusters.store(), two_clusters.fresh()
    two_clusters.west.faults.add(server="kubernetes", action="reset", times=None)
    observation = await store.observe()
    assert names(observation) == ["default/s"]
    assert unobserved(observation).transient
    assert "west:default" in unobserved(observation).why
    await store.write(observation.targets[0], fresh, record_of(fresh))
    assert (await store.find(fresh.fingerprint)).value == fresh.value
    assert await store.find("0123456789ab") is None


async def test_a_cluster_that_answers_again_is_observed_again(two_clusters, caplog):
    store = await two_clusters.store()
    two_clusters.west.faults.add(server="kubernetes", action="status", status=500, times=None)
    observation = await store.observe()
    back = asyncio.create_task(store.changed(observation, LONG))
    two_clusters.west.faults.clear()
    async with asyncio.timeout(PROMPT):
        await back
    assert names(await store.observe()) == BOTH
    said = [
        record.getMessage()
        for record in caplog.records
        if "the cluster of context west" in record.getMessage()
    ]
    assert ["is unreachable, next probe in" in said[0], "answers again" in said[-1]] == [True, True]


async def test_a_cluster_that_goes_in_the_middle_of_a_wait_is_noticed(two_clusters):
    store, fresh = await two_clusters.store(), two_clusters.fresh()
    west = (await store.observe()).targets[1]
    await store.write(west, fresh, record_of(fresh))
    observation = await store.observe()
    waiting = asyncio.create_task(store.changed(observation, LONG))
    two_clusters.west.faults.add(server="kubernetes", action="reset", times=None)
    two_clusters.west.cluster.drop_watches()
    two_clusters.west.cluster.delete("Pod", "default", west.workloads[0].pods[0].name)
    async with asyncio.timeout(PROMPT):
        await waiting
    assert unobserved(await store.observe()).name == "west:default/s"


async def test_a_slow_cluster_holds_the_others_up_once_and_for_one_call_timeout_only(two_clusters):
    """Each of its two answers would come in time, both together do not."""
    store = await two_clusters.store(min_backoff=600.0, max_backoff=600.0)
    two_clusters.give_west(2.0)
    slow = [
        two_clusters.west.faults.add(
            server="kubernetes", path=path, action="latency", seconds=1.3, times=None
        )
        for path in ("/secrets/", "/pods")
    ]
    observation = await store.observe()
    assert (names(observation), unobserved(observation).transient) == (["default/s"], True)
    before = [rule.caught for rule in slow]
    assert unobserved(await store.observe()).transient
    assert [rule.caught for rule in slow] == before


async def test_a_cluster_that_hangs_is_probed_with_one_cheap_call(two_clusters, later):
    store = await two_clusters.store()
    two_clusters.give_west(20.0)
    hung = two_clusters.west.faults.add(
        server="kubernetes", action="hang", times=2
    )  # the Secret and the workload
    probe = two_clusters.west.faults.add(server="kubernetes", action="status", status=503, times=2)
    looking = asyncio.create_task(store.observe())
    await hung.hit(2)
    two_clusters.give_west(60.0)
    await later.by(20.0)
    observation = await looking
    async with asyncio.timeout(PROMPT):
        await probe.hit(2)
        await store.changed(observation, LONG)
    assert two_clusters.asked_west().count("GET /version") == 3
    assert names(await store.observe()) == BOTH


async def test_if_no_target_can_be_observed_that_is_unavailable(two_clusters):
    store = await two_clusters.store(target_in_west(), target_at_home("missing"))
    two_clusters.west.faults.add(server="kubernetes", action="status", status=429, retry_after=7, times=None)
    for _ in range(2):
        with pytest.raises(Unavailable) as failed:
            await store.observe()
        assert failed.value.retry_after == timedelta(seconds=7)


async def test_without_the_home_cluster_nothing_goes_on(two_clusters):
    store = await two_clusters.store()
    two_clusters.home.faults.add(server="kubernetes", action="reset", times=None)
    with pytest.raises(Unavailable):
        await store.observe()
    with pytest.raises(Unavailable):
        await store.secrets()


async def test_the_circuit_of_the_home_cluster_never_opens(two_clusters):
    store = await two_clusters.store()
    two_clusters.home.faults.add(server="kubernetes", path="/secrets/", action="status", status=500)
    with pytest.raises(Unavailable):
        await store.observe()
    assert names(await store.observe()) == BOTH


async def test_a_write_to_an_unreachable_cluster_is_unavailable_at_once(two_clusters, later):
    store, fresh = await two_clusters.store(min_backoff=600.0, max_backoff=600.0), two_clusters.fresh()
    west = (await store.observe()).targets[1]
    hanging = two_clusters.west.faults.add(server="kubernetes", action="hang", times=None)
    writing = asyncio.create_task(store.write(west, fresh, record_of(fresh)))
    await hanging.hit()
    await later.by(60.0)
    for write in (writing, store.write(west, fresh, record_of(fresh))):
        with pytest.raises(Unavailable):
            await write
    assert hanging.caught == 1


async def test_one_secret_by_two_contexts_is_told_and_written_once(two_clusters):
    two_clusters.config["contexts"].append({"name": "alias", "context": {"cluster": "west", "user": "west"}})
    two_clusters.save()
    store = await two_clusters.store(
        target_at_home(), target_in_west(), target_in_west(context="alias"), contexts=["west", "alias"]
    )
    observation = await store.observe()
    assert names(observation) == BOTH
    assert (unobserved(observation).name, unobserved(observation).transient) == ("alias:default/s", False)
    assert "is the same as that of target west:default/s" in unobserved(observation).why


async def test_what_is_missing_or_forbidden_elsewhere_is_said_with_its_context(two_clusters):
    two_clusters.west.cluster.deny("list", "pods")
    store = await two_clusters.store(target_at_home(), target_in_west(), target_in_west("missing"))
    unobserved_targets = {each.name: each for each in (await store.observe()).unreachable}
    assert (
        "kubectl --context west -n default create secret generic missing"
        in unobserved_targets["west:default/missing"].why
    )
    assert "may not list pods in west:default" in unobserved_targets["west:default/s"].why
    assert not any(each.transient for each in unobserved_targets.values())


async def test_a_misconfiguration_elsewhere_is_said_with_its_context(two_clusters):
    two_clusters.west.cluster.delete("Deployment", "default", "gw")
    (west,) = (await (await two_clusters.store(target_in_west())).observe()).targets
    assert "deployment/gw does not exist in namespace west:default" in west.misconfiguration


async def test_closing_ends_the_probes(two_clusters):
    store = await two_clusters.store(min_backoff=60.0, max_backoff=60.0)
    two_clusters.west.faults.add(server="kubernetes", action="reset", times=None)
    await store.observe()
    probes = [task for task in asyncio.all_tasks() if "probe of" in task.get_name()]
    await two_clusters.clusters.close()
    assert [probe.cancelled() for probe in probes] == [True]


async def test_what_was_closed_is_not_opened_again(two_clusters):
    store = await two_clusters.store()
    await two_clusters.clusters.close()
    with pytest.raises(Unavailable, match="is not open"):
        await store.secrets()


async def test_observations_share_requests_within_a_cluster_only(two_clusters):
    await running(two_clusters.west, deployment("second"))
    both = [target.model_copy(update={"workloads": None}) for target in (target_at_home(), target_in_west())]
    store = await two_clusters.store(*both)
    before = len(two_clusters.asked_west())
    observation = await store.observe()
    assert [len(target.workloads) for target in observation.targets] == [1, 2]
    asked = two_clusters.asked_west()[before:]
    assert asked.count(f"GET {paths.workloads('default', 'deployment')}") == 1


async def test_contexts_that_do_not_exist_are_refused_with_those_that_do(two_clusters):
    with pytest.raises(Refused) as refused:
        await two_clusters.connect(["wset", "west", "eats"])
    for part in ('no context "wset" (it has home, west)', 'no context "eats"', "Correct the name"):
        assert part in str(refused.value)
