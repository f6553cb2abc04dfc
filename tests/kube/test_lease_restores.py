from __future__ import annotations

import pytest

from rotator.errors import LeaseLost
from tests.kube.leases import PATH, START, observation, take


async def test_restores_are_counted_and_forgotten_after_two_days(make, time):
    lease = make("a")
    await take(lease)
    await lease.count_restore()
    await lease.count_restore()
    assert (await lease.read()).restores == 2
    assert (await lease.read()).last_restored_at == START
    await lease.release()
    time.passed = 2 * 86400 + 1
    await take(lease)
    await lease.count_restore()
    assert (await lease.read()).restores == 1
    await lease.release()


async def test_restores_outlive_the_holder(make):
    first, second = make("a"), make("b")
    await take(first)
    await first.count_restore()
    await first.release()
    assert (await observation(second)).restores == 1
    await take(second)
    await second.count_restore()
    assert (await second.read()).restores == 2
    await second.release()


async def test_a_restore_is_not_counted_on_a_lease_that_was_taken(make, connection):
    lease = make("a")
    await take(lease)
    await connection.patch(PATH, {"spec": {"holderIdentity": "thief", "leaseTransitions": 9}}, "lease")
    with pytest.raises(LeaseLost, match="thief"):
        await lease.count_restore()
    assert (await make("b").read()).restores == 0
    await lease.release()


async def test_restores_that_cannot_be_read_count_as_none(make, connection):
    lease = make("a")
    await take(lease)
    spoilt = {"apim-token-rotator/repairs": "many", "apim-token-rotator/repaired-at": "often"}
    await connection.patch(PATH, {"metadata": {"annotations": spoilt}}, "lease")
    assert ((await lease.read()).restores, (await lease.read()).last_restored_at) == (0, None)
    await lease.release()
