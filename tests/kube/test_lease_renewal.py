from __future__ import annotations

import asyncio
import logging

import pytest

from rotator.errors import LeaseLost
from rotator.kube import KubeLease
from tests.kube.leases import NAME, PATH, take


@pytest.fixture(autouse=True)
def call_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give a call to a Lease of 0.3 s a minute, not its third: a stall of the machine is no lost answer."""
    monkeypatch.setattr(KubeLease, "_call_timeout", 60.0)


async def test_a_lease_whose_renewals_fail_is_lost_before_it_runs_out(make, time):
    lease = make("a")
    await take(lease)
    time.passed = 26.9
    await lease.assert_held()
    time.passed = 27.0
    with pytest.raises(LeaseLost):
        await lease.assert_held()
    await lease.release()


async def renewal_ended(lease) -> None:
    async with asyncio.timeout(60):
        await lease._renewal


async def renewals(sandbox, count: int) -> None:
    """Wait until the Lease was patched so many times and one more is under way."""
    patches = sandbox.faults.add(
        server="kubernetes", method="PATCH", action="latency", when="after", times=None
    )
    await patches.hit(count + 1)


async def test_a_held_lease_is_renewed(make, time, sandbox):
    lease = make("a", seconds=0.3)
    await take(lease)
    time.passed = 0.2
    await renewals(sandbox, 2)
    time.passed = 0.4
    await lease.assert_held()
    await lease.release()


async def test_a_renewal_that_fails_is_tried_again(make, time, sandbox):
    lease = make("a", seconds=0.3)
    await take(lease)
    fault = sandbox.faults.add(server="kubernetes", method="PATCH", action="status", status=500, times=2)
    await fault.hit(2)
    await renewals(sandbox, 1)
    await lease.assert_held()
    await lease.release()


@pytest.mark.parametrize("action", ["reset", "status"])
async def test_a_renewal_whose_answer_was_lost_does_not_lose_the_lease(make, sandbox, action):
    lease = make("a", seconds=0.3)
    await take(lease)
    fault = sandbox.faults.add(server="kubernetes", method="PATCH", action=action, when="after")
    await fault.hit()
    await renewals(sandbox, 2)
    await lease.assert_held()
    await lease.release()
    assert (await lease.read()).holder == ""


async def test_a_lease_that_another_writer_annotates_stays_held(make, sandbox, connection):
    lease = make("a", seconds=0.3)
    await take(lease)
    await connection.patch(PATH, {"metadata": {"annotations": {"who": "me"}}}, "lease")
    await renewals(sandbox, 2)
    await lease.assert_held()
    await lease.release()


@pytest.mark.parametrize(
    "deed",
    [
        {"holderIdentity": "thief"},
        {"holderIdentity": "thief", "leaseTransitions": 9},
        {"holderIdentity": "a", "leaseTransitions": 9},
        {"holderIdentity": None},
    ],
)
async def test_a_lease_that_was_taken_is_lost_at_the_next_renewal(make, sandbox, connection, logged, deed):
    lease = make("a", seconds=0.3)
    await take(lease)
    await connection.patch(PATH, {"spec": deed}, "lease")
    await renewal_ended(lease)
    with pytest.raises(LeaseLost):
        await lease.assert_held()
    assert f"(holder: {deed['holderIdentity'] or 'none'})" in logged()
    await lease.release()
    spec = sandbox.cluster.get("Lease", "default", NAME)["spec"]
    assert spec.get("holderIdentity") == deed["holderIdentity"]


@pytest.mark.parametrize("action", ["status", "reset"])
async def test_a_release_that_fails_does_not_raise_and_stops_renewing(make, sandbox, action):
    lease = make("a", seconds=0.3)
    await take(lease)
    sandbox.faults.add(server="kubernetes", action=action, status=500, times=None)
    await lease.release()
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("renewal of")]
    with pytest.raises(LeaseLost):
        await lease.assert_held()


async def test_a_lease_that_was_deleted_is_lost(make, connection, caplog):
    lease = make("a", seconds=0.3)
    await take(lease)
    with caplog.at_level(logging.WARNING):
        await connection.call("DELETE", PATH, what="lease")
        await renewal_ended(lease)
    with pytest.raises(LeaseLost):
        await lease.assert_held()
    await lease.release()


@pytest.mark.parametrize("how", ["deleted", "taken", "taken by the same name"])
async def test_a_lease_that_another_process_holds_is_lost_at_the_next_observation(
    make, sandbox, connection, how
):
    """Not only at the next renewal: each regenerate has a look right before it. A machine that slept
    believes that no time has passed.
    """
    lease, other = make("a"), make("a" if how.endswith("name") else "b")
    await take(lease)
    if how == "deleted":
        await connection.call("DELETE", PATH)
    else:
        sandbox.cluster.patch("Lease", "default", NAME, {"spec": {"holderIdentity": None}}, "kubectl")
        assert await take(other)
    await lease.assert_held()
    await lease.read()
    with pytest.raises(LeaseLost):
        await lease.assert_held()
    await lease.release()
    if how != "deleted":
        await other.read()
        await other.assert_held()
        await other.release()


async def test_an_observation_that_began_before_the_lease_was_taken_loses_nothing(make, sandbox):
    lease = make("a")
    late = sandbox.faults.add(server="kubernetes", method="GET", action="latency", when="after", seconds=0.3)
    early = asyncio.create_task(lease.read())
    await late.hit()
    assert await take(lease)
    await early
    await lease.assert_held()
    await lease.release()
