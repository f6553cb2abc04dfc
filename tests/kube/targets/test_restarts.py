"""How often a workload was restarted is counted on the workload, in the patch that restarts it."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from rotator.core.limits import may_restart
from rotator.core.policy import Policy
from rotator.errors import Conflict
from rotator.kube.targets.workloads import RESTARTED_AT, RESTARTS, read_restarts, write_restarts
from tests.kube.scene import now, only_target, only_workload

AT = datetime(2029, 12, 24, 12, 0, 0, 123456, tzinfo=UTC)


def annotations(scene):
    return scene.sandbox.cluster.get("Deployment", "default", "gw")["metadata"]["annotations"]


async def restarted(scene, mark):
    """Restart the workload, as often as its controller's writes get in the way."""
    while True:
        observation = await scene.store.observe()
        with suppress(Conflict):
            await scene.store.restart(only_target(observation), only_workload(observation), mark)
            return only_workload(await scene.store.observe())


async def test_restarts_are_counted_since_the_first_of_the_hour(scene):
    before = now()
    counts = [await restarted(scene, f"{number:012x}") for number in range(3)]
    assert [workload.restarts for workload in counts] == [1, 2, 3]
    assert before <= counts[0].counted_since <= now()
    assert {workload.counted_since for workload in counts} == {counts[0].counted_since}


async def test_the_count_begins_anew_after_an_hour(scene):
    long_ago = write_restarts(7, now() - timedelta(hours=1))
    scene.sandbox.cluster.patch(
        "Deployment", "default", "gw", {"metadata": {"annotations": {RESTARTS: long_ago}}}
    )
    assert only_workload(await scene.store.observe()).restarts == 7
    assert (await restarted(scene, "0123456789ab")).restarts == 1


async def test_the_budget_is_used_up_by_what_was_counted(scene):
    policy = Policy()
    found = only_workload(await scene.store.observe())
    rounds = 0
    while may_restart(found, policy, now()):
        found, rounds = await restarted(scene, f"{rounds:012x}"), rounds + 1
    assert rounds == policy.max_restarts_per_hour


async def test_a_count_that_cannot_be_read_is_none(scene):
    scene.sandbox.cluster.patch(
        "Deployment", "default", "gw", {"metadata": {"annotations": {RESTARTS: "many"}}}
    )
    assert (await restarted(scene, "0123456789ab")).restarts == 1
    assert set(annotations(scene)) >= {RESTARTS, RESTARTED_AT}


@pytest.mark.parametrize(
    "text",
    ["", "3", "x since 2029-12-24T12:00:00Z", "3 since", "3 since yesterday", "3 since 2029-12-24T12:00:00"],
)
def test_what_is_no_count_is_none(text):
    assert read_restarts(text) == (0, None)


def test_a_count_is_read_as_it_was_written():
    assert read_restarts(write_restarts(3, AT)) == (3, AT)


def test_a_count_is_never_below_nothing():
    assert read_restarts("-5 since 2029-12-24T12:00:00Z")[0] == 0
