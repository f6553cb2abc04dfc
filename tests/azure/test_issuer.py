from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta, timezone

import pytest

from rotator.azure import Arm, ArmIssuer
from rotator.core.access_token import fingerprint
from rotator.core.records import Key
from rotator.core.signing import SignerQuery
from rotator.errors import Refused, Unavailable
from tests.azure.conftest import Cloud

PRIMARY, SECONDARY = Key.PRIMARY, Key.SECONDARY
VECTOR = (
    "gw1&203001020304&"
    "poXhJRQjfN6awdKRJrV16u3BQd2Uawnd/12pGq4v9OLgF2Wi7Hd0i6iWImndLZPg2b9+422CLKyVqUKrfYGN2A=="
)


def query(value: str, expires_at: datetime, hint: Key | None = None) -> SignerQuery:
    return SignerQuery(fingerprint(value), expires_at, hint)


async def test_a_token_of_each_key_is_issued(cloud: Cloud, issuer: ArmIssuer, in_ten_days: datetime) -> None:
    for key in Key:
        token = await issuer.issue(key, in_ten_days)

        assert token.value == cloud.gateway.mint(key, in_ten_days)
        assert token.fingerprint == fingerprint(token.value)
        assert (token.key, token.expires_at) == (key, in_ten_days)


async def test_the_token_is_the_one_that_azure_computes(cloud: Cloud, connected: Arm) -> None:
    """The invented test vector: gateway gw1, key `not-a-real-key`, 2030-01-02T03:04Z."""
    gateway = cloud.azure.add_gateway("gw1")
    gateway.keys["primary"] = "not-a-real-key"
    cloud.azure.now = lambda: datetime(2029, 12, 30, tzinfo=UTC)
    cloud.gateway = gateway

    token = await ArmIssuer(connected, cloud.resource, cloud.azure.now).issue(
        PRIMARY, datetime(2030, 1, 2, 3, 4, tzinfo=UTC)
    )

    assert token.value == VECTOR


async def test_seconds_are_cut_and_other_zones_become_utc(issuer: ArmIssuer, in_ten_days: datetime) -> None:
    odd = (in_ten_days + timedelta(seconds=59, microseconds=7)).astimezone(timezone(timedelta(hours=5)))

    token = await issuer.issue(PRIMARY, odd)

    assert token.expires_at == in_ten_days
    assert token.expires_at.utcoffset() == timedelta()


async def test_issuing_again_gives_the_same_token(issuer: ArmIssuer, in_ten_days: datetime) -> None:
    assert await issuer.issue(PRIMARY, in_ten_days) == await issuer.issue(PRIMARY, in_ten_days)


async def test_the_value_is_not_in_the_repr(issuer: ArmIssuer, in_ten_days: datetime) -> None:
    token = await issuer.issue(PRIMARY, in_ten_days)

    assert token.value not in repr(token)


async def test_more_than_thirty_days_are_refused_in_azures_own_words(issuer: ArmIssuer) -> None:
    with pytest.raises(Refused, match="ValidationError: The expiry must be in the future"):
        await issuer.issue(PRIMARY, datetime.now(UTC) + timedelta(days=31))


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ("no token at all", "not a gateway token"),
        ("paris&203001020304&" + "QUJD" * 16, "of another gateway"),
        ("oslo&203001020304&" + "QUJD" * 16, "expires at 2030-01-02T03:04Z"),
    ],
)
async def test_a_token_that_was_not_asked_for_is_refused(
    cloud: Cloud, issuer: ArmIssuer, in_ten_days: datetime, answer: str, complaint: str
) -> None:
    cloud.faults.add(server="arm", action="status", status=200, body=f'{{"value": "{answer}"}}')

    with pytest.raises(Refused, match=complaint) as refused:
        await issuer.issue(PRIMARY, in_ten_days)

    assert answer not in str(refused.value)


@pytest.mark.parametrize(
    "body", ["{}", '{"value": ""}', '{"value": null}', "", "[]", "<html>", '{"value": 7', '{"value": 7}']
)
async def test_an_answer_without_a_token_means_come_back_later(
    cloud: Cloud, issuer: ArmIssuer, in_ten_days: datetime, body: str
) -> None:
    cloud.faults.add(server="arm", action="status", status=200, body=body)

    with pytest.raises((Unavailable, Refused)):
        await issuer.issue(PRIMARY, in_ten_days)


@pytest.mark.parametrize("key", Key)
async def test_a_token_whose_hint_is_right_costs_one_call(
    cloud: Cloud, issuer: ArmIssuer, in_ten_days: datetime, key: Key
) -> None:
    held = query(cloud.gateway.mint(key, in_ten_days), in_ten_days, key)

    assert await issuer.signers([held]) == {held.fingerprint: key}
    assert cloud.calls() == 1


@pytest.mark.parametrize("hint", [SECONDARY, None])
async def test_a_wrong_or_missing_hint_is_found_out(
    cloud: Cloud, issuer: ArmIssuer, in_ten_days: datetime, hint: Key | None
) -> None:
    signer = PRIMARY if hint else SECONDARY
    held = query(cloud.gateway.mint(signer, in_ten_days), in_ten_days, hint)

    assert await issuer.signers([held]) == {held.fingerprint: signer}
    assert cloud.calls() == 2


async def test_a_token_of_a_regenerated_key_is_dead(
    cloud: Cloud, issuer: ArmIssuer, in_ten_days: datetime
) -> None:
    held = query(cloud.gateway.mint("primary", in_ten_days), in_ten_days, PRIMARY)
    cloud.gateway.regenerate("primary")

    assert await issuer.signers([held]) == {held.fingerprint: None}
    assert cloud.calls() == 3, "both keys, and the proof that answers are steady"


async def test_tokens_of_one_expiry_share_their_questions(
    cloud: Cloud, issuer: ArmIssuer, in_ten_days: datetime
) -> None:
    one = query(cloud.gateway.mint("primary", in_ten_days), in_ten_days, PRIMARY)
    other = query(cloud.gateway.mint("secondary", in_ten_days), in_ten_days, SECONDARY)
    unknown = query("never issued", in_ten_days)

    found = await issuer.signers([one, other, unknown])

    assert found == {one.fingerprint: PRIMARY, other.fingerprint: SECONDARY, unknown.fingerprint: None}
    assert cloud.calls() == 3


async def test_expired_tokens_and_impossible_lives_are_not_asked_about(
    cloud: Cloud, issuer: ArmIssuer
) -> None:
    now = datetime.now(UTC)
    old, eternal = query("old", now - timedelta(minutes=1)), query("eternal", now + timedelta(days=31))

    assert await issuer.signers([old, eternal]) == {}
    assert cloud.calls() == 0


async def test_an_issuer_that_is_not_deterministic_is_believed_in_nothing_and_said_so_once(
    cloud: Cloud, connected: Arm, issuer: ArmIssuer, in_ten_days: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    cloud.gateway.deterministic = False
    held = query(cloud.gateway.mint("primary", in_ten_days), in_ten_days, PRIMARY)

    first = await issuer.signers([held])
    asked = cloud.calls()
    second = await ArmIssuer(connected, cloud.resource, lambda: datetime.now(UTC)).signers([held])

    assert (first, second) == ({}, {})
    assert cloud.calls() == asked, "nothing is asked any more"
    assert [r.levelno for r in caplog.records if "two different tokens" in r.message] == [logging.WARNING]


async def test_tokens_are_issued_all_the_same_when_identification_is_off(
    cloud: Cloud, connected: Arm, issuer: ArmIssuer, in_ten_days: datetime
) -> None:
    connected.signer_detection.switch_off("oslo")

    assert (await issuer.issue(PRIMARY, in_ten_days)).expires_at == in_ten_days


async def test_what_azure_did_not_answer_is_left_out_and_the_rest_is_not(
    cloud: Cloud, issuer: ArmIssuer, in_ten_days: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    later = in_ten_days + timedelta(days=1)
    lost = query(cloud.gateway.mint("primary", in_ten_days), in_ten_days, PRIMARY)
    held = query(cloud.gateway.mint("primary", later), later, PRIMARY)
    rule = cloud.faults.add(server="arm", action="status", status=503, times=1)

    found = await issuer.signers([lost, held])

    assert rule.caught == 1
    assert len(found) == 1
    assert set(found.values()) == {PRIMARY}
    assert "cannot tell which key signed 1 of 2 tokens of gateway oslo" in caplog.text


async def test_a_token_is_not_called_dead_when_the_proof_fails(
    cloud: Cloud, issuer: ArmIssuer, in_ten_days: datetime
) -> None:
    held = query("never issued", in_ten_days)
    cloud.faults.add(server="arm", action="reset", path="generateToken", skip=2)

    assert await issuer.signers([held]) == {}
