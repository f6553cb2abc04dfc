from __future__ import annotations

from datetime import timedelta

import aiohttp
import pytest

from sandbox.azure import fingerprint
from sandbox.azure.configuration import NAMESPACE, POD


async def authenticate(cloud, authorization, gateway="oslo"):
    headers = {"Authorization": authorization, NAMESPACE: "apim", POD: "gw-0"}
    url = f"{cloud.urls['configuration']}/gateways/{gateway}/configuration"
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        return answer.status


async def test_a_good_token_is_let_in_and_recorded_without_its_value(cloud, oslo, in_29_days):
    token = oslo.mint("secondary", in_29_days)
    assert await authenticate(cloud, f"GatewayKey {token}") == 200
    (record,) = cloud.azure.authentications
    assert (record.gateway, record.namespace, record.pod, record.ok) == ("oslo", "apim", "gw-0", True)
    assert record.fingerprint == fingerprint(token)
    assert token not in repr(record)


async def test_a_revoked_token_is_refused(cloud, oslo, in_29_days):
    token = oslo.mint("primary", in_29_days)
    oslo.regenerate("primary")
    assert await authenticate(cloud, f"GatewayKey {token}") == 401
    assert not cloud.azure.authentications[-1].ok


async def test_an_expired_token_is_refused(cloud, oslo, in_29_days):
    token = oslo.mint("primary", in_29_days - timedelta(days=60))
    assert await authenticate(cloud, f"GatewayKey {token}") == 401


@pytest.mark.parametrize("form", ["{}", "gatewaykey {}", "Bearer {}", "GatewayKey  {}"])
async def test_any_other_form_than_gateway_key_is_refused(cloud, oslo, in_29_days, form):
    assert await authenticate(cloud, form.format(oslo.mint("primary", in_29_days))) == 401
