"""Entra as the receiver of a webhook uses it, and Event Grid's use of its tokens."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import aiohttp
import jwt
import pytest

from sandbox import Sandbox, serve
from sandbox.azure.entra import EVENT_GRID_APP, ROLE, TENANT, Entra
from sandbox.azure.events import near_expiry
from tests.sandbox.azure.test_eventgrid import Webhook

AUDIENCE = "api://rotator.example"


@pytest.fixture
async def http(sandbox: Sandbox) -> AsyncIterator[aiohttp.ClientSession]:
    context = ssl.create_default_context(cafile=str(sandbox.ca_file))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        yield session


async def get(http: aiohttp.ClientSession, url: str) -> tuple[int, Any]:
    async with http.get(url) as response:
        return response.status, await response.json(content_type=None) if response.status == 200 else None


async def test_its_own_client_library_verifies_a_token_found_by_discovery(
    sandbox: Sandbox, http: aiohttp.ClientSession
) -> None:
    base = f"{sandbox.entra_url}/{TENANT}"
    _, found = await get(http, f"{base}/v2.0/.well-known/openid-configuration")
    _, keys = await get(http, found["jwks_uri"])
    token = sandbox.azure.entra.event_grid_token(AUDIENCE, "2.0")
    key = jwt.PyJWKSet.from_dict(keys)[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key, ["RS256"], audience=AUDIENCE, issuer=found["issuer"])
    assert (claims["azp"], claims["roles"], claims["tid"]) == (EVENT_GRID_APP, [ROLE], TENANT)


async def test_the_private_half_of_a_key_is_published_nowhere(
    sandbox: Sandbox, http: aiohttp.ClientSession
) -> None:
    _, keys = await get(http, f"{sandbox.entra_url}/{TENANT}/discovery/keys")
    assert [set(key) for key in keys["keys"]] == [{"kty", "use", "kid", "x5t", "n", "e"}]
    assert "private" not in repr(sandbox.azure.entra.signing)


async def test_a_rotation_publishes_the_new_key_beside_the_old_one_or_in_its_place(
    sandbox: Sandbox, http: aiohttp.ClientSession
) -> None:
    entra = sandbox.azure.entra
    first, second = entra.signing.kid, entra.rotate().kid
    url = f"{sandbox.entra_url}/{TENANT}/discovery/v2.0/keys"
    both = (await get(http, url))[1]["keys"]
    third = entra.rotate(keep_old=False).kid
    assert [key["kid"] for key in both] == [first, second]
    assert [key["kid"] for key in (await get(http, url))[1]["keys"]] == [third]


@pytest.mark.parametrize(
    ("path", "status"),
    [("/other/discovery/v2.0/keys", 400), (f"/{TENANT}/elsewhere", 404), ("/", 404)],
)
async def test_nothing_else_is_there(
    sandbox: Sandbox, http: aiohttp.ClientSession, path: str, status: int
) -> None:
    assert (await get(http, sandbox.entra_url + path))[0] == status


async def test_it_can_be_switched_off(sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    url = f"{sandbox.entra_url}/{TENANT}/discovery/v2.0/keys"
    sandbox.faults.add(server="entra", action="status", times=None)
    off = (await get(http, url))[0]
    sandbox.faults.clear()
    assert (off, (await get(http, url))[0]) == (503, 200)


def test_a_claim_may_be_left_out_or_be_another() -> None:
    claims = Entra().claims(AUDIENCE, roles=None, tid="x")
    assert "roles" not in claims and claims["tid"] == "x"
    assert (claims["appid"], claims["ver"], claims["iss"]) == (
        EVENT_GRID_APP,
        "1.0",
        f"https://sts.windows.net/{TENANT}/",
    )


async def test_the_control_api_subscribes_with_a_header_and_with_a_token(
    sandbox: Sandbox, in_29_days: datetime
) -> None:
    oslo = sandbox.azure.add_gateway("oslo")
    webhook = Webhook()
    async with serve.serving({"webhook": webhook}, {}) as urls, aiohttp.ClientSession() as http:
        subscription = {
            "endpoint": urls["webhook"],
            "headers": {"x-rotator-secret": "invented"},
            "audience": AUDIENCE,
        }
        async with http.post(f"{sandbox.control_url}/subscriptions", json=subscription) as response:
            assert response.status == 201
        await sandbox.eventgrid.deliver([near_expiry(oslo, in_29_days)])
        await asyncio.wait_for(sandbox.eventgrid.settled(), 60)
        for headers, _ in webhook.requests:
            assert headers["x-rotator-secret"] == "invented"
            assert headers["authorization"].startswith("Bearer ey")
        assert len(webhook.requests) == 2


async def test_the_control_api_wants_texts_as_headers(sandbox: Sandbox) -> None:
    async with aiohttp.ClientSession() as http:
        subscription = {"endpoint": "http://127.0.0.1:1/", "headers": {"a": 1}}
        async with http.post(f"{sandbox.control_url}/subscriptions", json=subscription) as response:
            assert (response.status, "delivery properties" in await response.text()) == (400, True)
