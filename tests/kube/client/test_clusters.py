"""One gateway over two clusters: what is where, and whose absence delays whom."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from rotator.core.observation import Request
from rotator.errors import Refused, Unavailable
from rotator.kube.client import paths
from tests.kube.fleets import deployment, now, record_of, running
from tests.kube.two import away, here, names, only_absent, until_seen

BOTH = ["default/s", "west:default/s"]
LONG = timedelta(minutes=10)
PROMPT = 60.0
"""Seconds. A wait that its event does not end takes LONG, and the test fails."""


async def test_targets_of_two_clusters_are_seen_at_once(two):
    seen = await (await two.fleet()).observe()
    assert (names(seen), seen.unreachable) == (BOTH, ())
    assert [(t.prefixed, len(t.workloads[0].pods), t.misconfiguration) for t in seen.targets] == [
        (True, 2, "")
    ] * 2
    assert not [call for call in two.asked_west() if "/leases" in call]


async def test_each_target_is_written_and_restarted_where_it_is(two):
    fleet, fresh = await two.fleet(), two.fresh()
    _, west = (await fleet.observe()).targets
    await fleet.write(west, fresh, record_of(fresh))
    await fleet.restart(west, west.workloads[0], fresh.fingerprint)
    seen = await until_seen(
        fleet, lambda seen: {p.pod_token for p in seen.targets[1].workloads[0].pods} == {fresh.fingerprint}
    )
    assert [t.fingerprint == fresh.fingerprint for t in seen.targets] == [False, True]
    assert seen.targets[0].workloads[0].template_token is None


async def test_requests_are_noted_where_the_target_is(two):
    fleet, wish = await two.fleet(), Request(now(), by="somebody")
    for t in (await fleet.secrets()).targets:
        await fleet.request(t, wish)
    assert [t.request for t in (await fleet.secrets()).targets] == [wish, wish]


async def test_a_token_is_found_in_another_cluster(two):
    fleet, fresh = await two.fleet(), two.fresh()
    await fleet.write((await fleet.observe()).targets[1], fresh, record_of(fresh))
    assert (await fleet.find(fresh.fingerprint)).value == fresh.value


async def test_a_cluster_that_is_away_keeps_nobody_from_the_others(two):
    fleet, fresh = await two.fleet(), two.fresh()
    two.west.faults.add(server="kubernetes", action="reset", times=None)
    seen = await fleet.observe()
    assert names(seen) == ["default/s"]
    assert only_absent(seen).transient
    assert "west:default" in only_absent(seen).why
    await fleet.write(seen.targets[0], fresh, record_of(fresh))
    assert (await fleet.find(fresh.fingerprint)).value == fresh.value
    assert await fleet.find("0123456789ab") is None


async def test_a_cluster_that_answers_again_is_looked_at_again(two, caplog):
    fleet = await two.fleet()
    two.west.faults.add(server="kubernetes", action="status", status=500, times=None)
    seen = await fleet.observe()
    back = asyncio.create_task(fleet.changed(seen, LONG))
    two.west.faults.clear()
    async with asyncio.timeout(PROMPT):
        await back
    assert names(await fleet.observe()) == BOTH
    said = [r.getMessage() for r in caplog.records if "the cluster of context west" in r.getMessage()]
    assert ["is unreachable, next probe in" in said[0], "answers again" in said[-1]] == [True, True]


async def test_a_cluster_that_goes_in_the_middle_of_a_wait_is_noticed(two):
    fleet, fresh = await two.fleet(), two.fresh()
    west = (await fleet.observe()).targets[1]
    await fleet.write(west, fresh, record_of(fresh))
    seen = await fleet.observe()
    waiting = asyncio.create_task(fleet.changed(seen, LONG))
    two.west.faults.add(server="kubernetes", action="reset", times=None)
    two.west.cluster.drop_watches()
    two.west.cluster.delete("Pod", "default", west.workloads[0].pods[0].name)
    async with asyncio.timeout(PROMPT):
        await waiting
    assert only_absent(await fleet.observe()).name == "west:default/s"


async def test_a_slow_cluster_holds_the_others_up_once_and_for_one_call_timeout_only(two):
    """Each of its two answers would come in time, both together do not."""
    fleet = await two.fleet(min_backoff=600.0, max_backoff=600.0)
    two.give_west(2.0)
    slow = [
        two.west.faults.add(server="kubernetes", path=path, action="latency", seconds=1.3, times=None)
        for path in ("/secrets/", "/pods")
    ]
    seen = await fleet.observe()
    assert (names(seen), only_absent(seen).transient) == (["default/s"], True)
    before = [rule.caught for rule in slow]
    assert only_absent(await fleet.observe()).transient
    assert [rule.caught for rule in slow] == before


async def test_a_cluster_that_hangs_is_probed_with_one_cheap_call(two, later):
    fleet = await two.fleet()
    two.give_west(20.0)
    hung = two.west.faults.add(server="kubernetes", action="hang", times=2)  # the Secret and the workload
    probe = two.west.faults.add(server="kubernetes", action="status", status=503, times=2)
    looking = asyncio.create_task(fleet.observe())
    await hung.hit(2)
    two.give_west(60.0)
    await later.by(20.0)
    seen = await looking
    async with asyncio.timeout(PROMPT):
        await probe.hit(2)
        await fleet.changed(seen, LONG)
    assert two.asked_west().count("GET /version") == 3
    assert names(await fleet.observe()) == BOTH


async def test_if_no_target_can_be_looked_at_that_is_unavailable(two):
    fleet = await two.fleet(away(), here("missing"))
    two.west.faults.add(server="kubernetes", action="status", status=429, retry_after=7, times=None)
    for _ in range(2):
        with pytest.raises(Unavailable) as failed:
            await fleet.observe()
        assert failed.value.retry_after == timedelta(seconds=7)


async def test_without_the_home_cluster_nothing_goes_on(two):
    fleet = await two.fleet()
    two.home.faults.add(server="kubernetes", action="reset", times=None)
    with pytest.raises(Unavailable):
        await fleet.observe()
    with pytest.raises(Unavailable):
        await fleet.secrets()


async def test_home_is_never_left_alone(two):
    fleet = await two.fleet()
    two.home.faults.add(server="kubernetes", path="/secrets/", action="status", status=500)
    with pytest.raises(Unavailable):
        await fleet.observe()
    assert names(await fleet.observe()) == BOTH


async def test_a_write_to_a_cluster_that_is_away_is_unavailable_at_once(two, later):
    fleet, fresh = await two.fleet(min_backoff=600.0, max_backoff=600.0), two.fresh()
    west = (await fleet.observe()).targets[1]
    hanging = two.west.faults.add(server="kubernetes", action="hang", times=None)
    writing = asyncio.create_task(fleet.write(west, fresh, record_of(fresh)))
    await hanging.hit()
    await later.by(60.0)
    for write in (writing, fleet.write(west, fresh, record_of(fresh))):
        with pytest.raises(Unavailable):
            await write
    assert hanging.caught == 1


async def test_one_secret_by_two_contexts_is_told_and_written_once(two):
    two.config["contexts"].append({"name": "alias", "context": {"cluster": "west", "user": "west"}})
    two.save()
    fleet = await two.fleet(here(), away(), away(context="alias"), contexts=["west", "alias"])
    seen = await fleet.observe()
    assert names(seen) == BOTH
    assert (only_absent(seen).name, only_absent(seen).transient) == ("alias:default/s", False)
    assert "is the very one that target west:default/s names" in only_absent(seen).why


async def test_what_is_missing_or_forbidden_elsewhere_is_said_with_its_context(two):
    two.west.cluster.deny("list", "pods")
    fleet = await two.fleet(here(), away(), away("missing"))
    absent = {a.name: a for a in (await fleet.observe()).unreachable}
    assert (
        "kubectl --context west -n default create secret generic missing"
        in absent["west:default/missing"].why
    )
    assert "may not list pods in west:default" in absent["west:default/s"].why
    assert not any(a.transient for a in absent.values())


async def test_a_flaw_elsewhere_is_said_with_its_context(two):
    two.west.cluster.delete("Deployment", "default", "gw")
    (west,) = (await (await two.fleet(away())).observe()).targets
    assert "deployment/gw does not exist in namespace west:default" in west.misconfiguration


async def test_closing_ends_the_probes(two):
    fleet = await two.fleet(min_backoff=60.0, max_backoff=60.0)
    two.west.faults.add(server="kubernetes", action="reset", times=None)
    await fleet.observe()
    probes = [t for t in asyncio.all_tasks() if "probe of" in t.get_name()]
    await two.clusters.close()
    assert [p.cancelled() for p in probes] == [True]


async def test_what_was_closed_is_not_opened_again(two):
    fleet = await two.fleet()
    await two.clusters.close()
    with pytest.raises(Unavailable, match="is not open"):
        await fleet.secrets()


async def test_looks_share_reads_within_a_cluster_only(two):
    await running(two.west, deployment("second"))
    both = [t.model_copy(update={"workloads": None}) for t in (here(), away())]
    fleet = await two.fleet(*both)
    before = len(two.asked_west())
    seen = await fleet.observe()
    assert [len(t.workloads) for t in seen.targets] == [1, 2]
    asked = two.asked_west()[before:]
    assert asked.count(f"GET {paths.workloads('default', 'deployment')}") == 1


async def test_contexts_that_do_not_exist_are_refused_with_those_that_do(two):
    with pytest.raises(Refused) as refused:
        await two.connect(["wset", "west", "eats"])
    for part in ('no context "wset" (it has home, west)', 'no context "eats"', "Correct the name"):
        assert part in str(refused.value)
