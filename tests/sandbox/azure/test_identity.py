from __future__ import annotations

import time
from datetime import timedelta

import aiohttp
import pytest
from azure.identity.aio import ManagedIdentityCredential

SCOPE = "https://management.azure.com/.default"


async def test_the_real_credential_gets_a_token_that_arm_accepts(cloud, monkeypatch):
    for name, value in cloud.identity_env.items():
        monkeypatch.setenv(name, value)
    cloud.azure.identity.lifetime = timedelta(hours=2)
    async with ManagedIdentityCredential() as credential:
        token = await credential.get_token(SCOPE)
    assert cloud.azure.identity.accepts(token.token)
    assert 7_100 < token.expires_on - time.time() <= 7_200
    assert len(cloud.journal.calls("identity", "GET")) == 1


@pytest.mark.parametrize(
    ("header", "query", "status"),
    [("wrong", "api-version=2019-08-01&resource=x", 401), (None, "api-version=2018-02-01&resource=x", 400)],
)
async def test_a_wrong_header_or_version_gets_no_token(cloud, header, query, status):
    headers = {"X-IDENTITY-HEADER": header or cloud.azure.identity.header}
    url = f"{cloud.identity_env['IDENTITY_ENDPOINT']}?{query}"
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        assert answer.status == status
        assert "access_token" not in await answer.text()


async def test_an_expired_bearer_token_is_no_longer_accepted(cloud):
    cloud.azure.identity.lifetime = timedelta(seconds=-1)
    token, _ = cloud.azure.identity.issue()
    assert not cloud.azure.identity.accepts(token)
