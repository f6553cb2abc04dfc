from __future__ import annotations

import re
from datetime import timedelta

import pytest

from rotator.errors import Conflict, LeaseLost, Refused, Unavailable
from rotator.kube import LeaseState
from tests.kube.leases import NAME, PATH, observation, take


async def test_a_lease_that_does_not_exist_yet_is_created(make, sandbox):
    lease = make("a")
    assert await lease.read() == LeaseState(None)
    assert await take(lease)
    await lease.assert_held()
    spec = sandbox.cluster.get("Lease", "default", NAME)["spec"]
    assert (spec["holderIdentity"], spec["leaseDurationSeconds"]) == ("a", 30)
    await lease.release()


async def test_others_never_believe_in_a_lease_for_less_than_its_holder(make, sandbox):
    """Leases name whole seconds."""
    lease = make("a", seconds=3.4)
    await take(lease)
    assert sandbox.cluster.get("Lease", "default", NAME)["spec"]["leaseDurationSeconds"] == 4
    await lease.release()


async def test_times_on_the_lease_have_a_fraction_that_no_client_cuts_off(make, sandbox):
    lease = make("a")
    await take(lease)
    spec = sandbox.cluster.get("Lease", "default", NAME)["spec"]
    for stamp in (spec["renewTime"], spec["acquireTime"]):
        assert re.fullmatch(r"2029-12-24T12:00:00\.000001Z", stamp)
    await lease.release()


async def test_a_released_lease_stays_as_an_object_and_is_free(make, sandbox):
    first, second = make("a"), make("b")
    await take(first)
    await first.release()
    assert sandbox.cluster.get("Lease", "default", NAME)["spec"].get("holderIdentity") is None
    assert (await second.read()).holder == ""
    assert await take(second)
    await second.release()


async def test_only_one_of_two_gets_it(make):
    first, second = make("a"), make("b")
    assert await take(first)
    assert not await take(second)
    assert (second.holder, second.expires_in) == ("a", timedelta(seconds=30))
    await first.release()


async def test_of_two_that_create_it_at_once_one_has_to_observe_again(make):
    first, second = make("a"), make("b")
    before = await observation(second)
    assert await take(first)
    with pytest.raises(Conflict):
        await second.acquire(before)
    await first.release()


async def test_of_two_that_take_a_free_lease_at_once_one_has_to_observe_again(make):
    first, second = make("a"), make("b")
    await take(first)
    await first.release()
    before = await observation(second)
    assert await take(first)
    with pytest.raises(Conflict):
        await second.acquire(before)
    await first.release()


async def test_an_observation_that_is_not_the_last_one_is_no_basis(make):
    first, second = make("a"), make("b")
    before = await observation(second)
    await take(first)
    await second.read()
    with pytest.raises(Conflict, match="observed again"):
        await second.acquire(before)
    await first.release()


async def test_a_dead_holders_lease_is_taken_when_it_ran_out_by_ones_own_clock(make, time, sandbox):
    dead, second = make("dead"), make("b")
    await take(dead)
    dead._renewal.cancel()
    assert not await take(second)
    time.passed = 29.9
    assert not await take(second)
    time.passed = 30.0
    assert await take(second)
    assert sandbox.cluster.get("Lease", "default", NAME)["spec"]["leaseTransitions"] == 2
    with pytest.raises(LeaseLost):
        await dead.assert_held()
    await second.release()


async def test_a_living_holders_lease_does_not_run_out(make, time, connection):
    first, second = make("a"), make("b")
    await take(first)
    for _ in range(4):
        assert not await take(second)
        time.passed += 20
        await connection.patch(
            PATH, {"spec": {"renewTime": f"2029-12-24T12:00:{time.passed:09.6f}Z"}}, "lease"
        )
    assert not await take(second)
    await first.release()


async def test_the_same_identity_takes_over_at_once(make):
    before = make("a")
    await take(before)
    before._renewal.cancel()
    again = make("a")
    assert await take(again)
    await again.release()


async def test_releasing_what_is_not_held_does_nothing(make, sandbox):
    await make("a").release()
    assert not sandbox.journal.calls("kubernetes")


async def test_taking_it_again_while_holding_it_costs_no_call(make, sandbox):
    lease = make("a")
    look = await observation(lease)
    await lease.acquire(look)
    calls = len(sandbox.journal.calls("kubernetes"))
    assert await lease.acquire(look)
    assert len(sandbox.journal.calls("kubernetes")) == calls
    await lease.release()


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_lease_that_could_not_be_taken_for_sure_is_not_held(make, sandbox, when):
    lease = make("a")
    look = await observation(lease)
    sandbox.faults.add(server="kubernetes", method="POST", action="reset", when=when)
    with pytest.raises(Unavailable):
        await lease.acquire(look)
    with pytest.raises(LeaseLost):
        await lease.assert_held()
    assert await take(lease)
    await lease.release()


async def test_a_lease_that_may_not_be_read_is_refused(make, sandbox):
    said = '{"kind": "Status", "message": "User cannot get resource leases"}'
    sandbox.faults.add(server="kubernetes", action="status", status=403, body=said)
    with pytest.raises(Refused, match='resources \\["leases"\\]'):
        await make("a").read()


async def test_what_needs_time_is_not_begun_when_the_lease_may_end_before(make, time):
    first = make("a")
    await take(first)
    time.passed += 22
    await first.assert_held()
    await first.assert_held(timedelta(seconds=7))
    with pytest.raises(LeaseLost):
        await first.assert_held(timedelta(seconds=10))
    await first.release()
