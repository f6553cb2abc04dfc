"""A key is regenerated once, or it is unknown whether it was: never twice, never late."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from rotator.azure import Arm, ArmIssuer, ArmRevoker
from rotator.core.records import Key
from rotator.core.signing import SignerQuery
from rotator.errors import Refused, Unavailable
from tests.azure.conftest import Cloud

PATIENCE = timedelta(seconds=5)


def calls(cloud: Cloud) -> int:
    return len(cloud.journal.calls(server="arm", path_regex="regenerateKey"))


async def test_all_tokens_of_the_key_are_dead_and_those_of_the_other_live(
    cloud: Cloud, connected: Arm, issuer: ArmIssuer, in_ten_days: datetime
) -> None:
    old = {key: await issuer.issue(key, in_ten_days) for key in Key}

    await ArmRevoker(connected, cloud.resource, PATIENCE).regenerate(Key.PRIMARY)

    asked = [SignerQuery(t.fingerprint, t.expires_at, t.key) for t in old.values()]
    assert await issuer.signers(asked) == {
        old[Key.PRIMARY].fingerprint: None,
        old[Key.SECONDARY].fingerprint: Key.SECONDARY,
    }


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_fault_leaves_it_unknown_and_is_never_sent_again(
    cloud: Cloud, connected: Arm, status: int, when: str
) -> None:
    cloud.faults.add(
        server="arm", path="regenerateKey", action="status", status=status, when=when, retry_after=1
    )

    with pytest.raises(Unavailable):
        await ArmRevoker(connected, cloud.resource, PATIENCE).regenerate(Key.PRIMARY)

    assert calls(cloud) == 1


async def test_a_connection_that_breaks_leaves_it_unknown_and_is_never_sent_again(
    cloud: Cloud, connected: Arm
) -> None:
    cloud.faults.add(server="arm", path="regenerateKey", action="reset", when="after")

    with pytest.raises(Unavailable):
        await ArmRevoker(connected, cloud.resource, PATIENCE).regenerate(Key.PRIMARY)

    assert calls(cloud) == 1


async def test_it_is_given_up_before_the_lease_ends(cloud: Cloud, connected: Arm) -> None:
    cloud.faults.add(server="arm", path="regenerateKey", action="hang")

    with pytest.raises(Unavailable, match=r"within 0.2 s"):
        await ArmRevoker(connected, cloud.resource, timedelta(seconds=0.2)).regenerate(Key.PRIMARY)


async def test_who_may_not_is_told_which_action_to_grant(cloud: Cloud, connected: Arm) -> None:
    cloud.faults.add(server="arm", path="regenerateKey", action="status", status=403)

    with pytest.raises(Refused, match=r"Microsoft\.ApiManagement/service/gateways/regenerateKey/action"):
        await ArmRevoker(connected, cloud.resource, PATIENCE).regenerate(Key.PRIMARY)
