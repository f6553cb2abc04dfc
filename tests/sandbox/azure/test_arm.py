from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import aiohttp
import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.mgmt.apimanagement.models import (
    GatewayKeyRegenerationRequestContract as Regeneration,
)
from azure.mgmt.apimanagement.models import (
    GatewayTokenRequestContract as TokenRequest,
)

OSLO = ("gateways", "contoso", "oslo")


async def issue(client, expiry, key="primary", gateway=OSLO):
    return (await client.gateway.generate_token(*gateway, TokenRequest(key_type=key, expiry=expiry))).value


async def test_a_token_is_bare_deterministic_and_accepted(arm, oslo, in_29_days):
    client = arm()
    token = await issue(client, in_29_days)
    assert token.startswith(f"oslo&{in_29_days:%Y%m%d%H%M}&")
    assert token == await issue(client, in_29_days)
    assert oslo.signer(token) == "primary"


async def test_regenerating_answers_204_and_kills_the_tokens_of_that_key(arm, oslo, in_29_days, cloud):
    client = arm()
    token = await issue(client, in_29_days)
    await client.gateway.regenerate_key(*OSLO, Regeneration(key_type="primary"))
    assert not oslo.accepts(token)
    assert cloud.journal.calls("arm", "POST", "/regenerateKey$")[0].status == 204


async def test_list_keys_returns_both(arm, oslo):
    keys = await arm().gateway.list_keys(*OSLO)
    assert {"primary": keys.primary, "secondary": keys.secondary} == oslo.keys


async def test_get_and_list_follow_pages(arm, oslo, cloud):
    for name in ("bergen", "tromso"):
        cloud.azure.add_gateway(name)
    cloud.azure.page_size = 2
    client = arm()
    ids = [gateway.id async for gateway in client.gateway.list_by_service("gateways", "contoso")]
    assert ids == [gateway.resource_id for gateway in cloud.azure.gateways]
    assert (await client.gateway.get(*OSLO)).id == oslo.resource_id


async def test_paths_ignore_case(arm, oslo, in_29_days):
    token = await issue(arm(), in_29_days, gateway=("GATEWAYS", "Contoso", "OSLO"))
    assert oslo.accepts(token)


@pytest.mark.parametrize("change", [str.lower, str.upper])
async def test_the_fixed_words_of_a_path_ignore_case_too(cloud, oslo, change):
    token, _ = cloud.azure.identity.issue()
    url = f"{cloud.urls['arm']}{change(oslo.resource_id)}?api-version=2024-05-01"
    trust = ssl.create_default_context(cafile=str(cloud.ca))
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers, ssl=trust) as answer:
        assert (await answer.json())["id"] == oslo.resource_id


@pytest.mark.parametrize("offset", [timedelta(days=30, minutes=1), timedelta(minutes=-1)])
async def test_an_expiry_beyond_thirty_days_or_in_the_past_is_refused(arm, oslo, offset):
    with pytest.raises(HttpResponseError) as refused:
        await issue(arm(), datetime.now(UTC) + offset)
    assert refused.value.status_code == 400
    assert refused.value.error.code == "ValidationError"
    assert refused.value.error.details[0].target == "expiry"
    assert oslo.minted == []


async def test_an_unknown_gateway_is_not_found(arm, oslo, in_29_days):
    with pytest.raises(ResourceNotFoundError) as missing:
        await issue(arm(), in_29_days, gateway=("gateways", "contoso", "narvik"))
    assert missing.value.error.code == "ResourceNotFound"


async def test_a_bearer_token_that_the_identity_did_not_hand_out_is_refused(arm, oslo, cloud):
    client = arm()
    await client.gateway.get(*OSLO)
    cloud.azure.identity.forget()
    with pytest.raises(ClientAuthenticationError) as refused:
        await client.gateway.get(*OSLO)
    assert refused.value.status_code == 401


async def test_a_denied_action_is_forbidden_and_others_are_not(arm, oslo, cloud, in_29_days):
    cloud.azure.denied.add("microsoft.apimanagement/service/gateways/regeneratekey/action")
    client = arm()
    with pytest.raises(HttpResponseError) as forbidden:
        await client.gateway.regenerate_key(*OSLO, Regeneration(key_type="primary"))
    assert (forbidden.value.status_code, forbidden.value.error.code) == (403, "AuthorizationFailed")
    assert oslo.generations["primary"] == 1
    assert await issue(client, in_29_days)


async def test_the_throttle_answers_429_with_retry_after(arm, oslo, cloud, in_29_days):
    cloud.azure.throttle(writes=(2, 0.25))
    client = arm()
    for _ in range(2):
        await issue(client, in_29_days)
    with pytest.raises(HttpResponseError) as throttled:
        await issue(client, in_29_days)
    assert throttled.value.status_code == 429
    assert throttled.value.response.headers["Retry-After"] == "4"
    assert (await client.gateway.get(*OSLO)).name == "oslo"


async def test_answers_carry_a_date_a_request_id_and_the_remaining_requests(arm, oslo):
    headers = await arm().gateway.get(
        *OSLO, cls=lambda answer, _object, _headers: answer.http_response.headers
    )
    assert abs(parsedate_to_datetime(headers["Date"]) - datetime.now(UTC)) < timedelta(seconds=5)
    assert headers["x-ms-request-id"]
    assert int(headers["x-ms-ratelimit-remaining-subscription-reads"]) > 0


async def test_a_gateway_that_is_not_deterministic_issues_another_token_each_time(arm, oslo, in_29_days):
    oslo.deterministic = False
    client = arm()
    first, second = await issue(client, in_29_days), await issue(client, in_29_days)
    assert first != second
    assert oslo.accepts(first)
    assert oslo.accepts(second)
