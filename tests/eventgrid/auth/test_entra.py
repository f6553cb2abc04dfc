"""Each claim of a bearer token is checked: right ones come in, and one that is wrong once does not."""

from __future__ import annotations

import base64
import json
import logging
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from sandbox.azure.entra import new_key
from tests.eventgrid.auth.webhook_server import (
    AUDIENCE,
    Clock,
    EntraServer,
    WebhookServer,
    serving_entra,
    serving_webhook,
)


@pytest.fixture
async def azure(tmp_path: Path) -> AsyncIterator[EntraServer]:
    async with serving_entra(tmp_path) as made:
        yield made


@pytest.fixture
async def webhook(azure: EntraServer) -> AsyncIterator[WebhookServer]:
    async with serving_webhook({"entra": azure.table()}, ca_file=azure.ca) as made:
        yield made


@pytest.mark.parametrize("version", ["1.0", "2.0"])
async def test_event_grids_own_token_comes_in(
    azure: EntraServer, webhook: WebhookServer, version: Any
) -> None:
    assert await webhook.bearer(azure.entra.event_grid_token(AUDIENCE, version)) == 200
    assert len(webhook.events) == 1
    assert webhook.counted == {("NearExpiry", "accepted"): 1}


OTHER = "99999999-0000-4000-8000-000000000000"


def from_now(changes: dict[str, Any]) -> dict[str, Any]:
    """Claims whose times are given as distances. Stamps made at collection age while other tests run."""
    now = int(time.time())
    return {k: now + int(v.total_seconds()) if isinstance(v, timedelta) else v for k, v in changes.items()}


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"aud": "api://another.example"}, 401),
        ({"aud": None}, 401),
        ({"aud": [1, {"x": 1}]}, 401),
        ({"iss": f"https://sts.windows.net/{OTHER}/"}, 401),
        ({"iss": "https://evil.example/"}, 401),
        ({"iss": None}, 401),
        ({"iss": ["https://evil.example/"]}, 401),
        ({"tid": OTHER}, 401),
        ({"tid": None}, 401),
        ({"tid": 7}, 401),
        ({"exp": None}, 401),
        ({"exp": "soon"}, 401),
        ({"exp": 10**400}, 401),
        ({"nbf": None}, 401),
        ({"nbf": True}, 401),
        ({"exp": timedelta(seconds=-400)}, 503),
        ({"nbf": timedelta(seconds=400), "exp": timedelta(seconds=4000)}, 503),
        ({"appid": OTHER}, 403),
        ({"appid": None}, 403),
        ({"azp": OTHER}, 403),
        ({"roles": ["Reader"]}, 403),
        ({"roles": "AzureEventGridSecureWebhookSubscriber"}, 403),
        ({"roles": None}, 403),
    ],
)
async def test_one_wrong_claim_keeps_a_token_out(
    azure: EntraServer, webhook: WebhookServer, changes: dict[str, Any], status: int
) -> None:
    token = azure.entra.token(azure.entra.claims(AUDIENCE, **from_now(changes)))
    found, headers, _ = await webhook.post({"Authorization": f"Bearer {token}"})
    assert (found, webhook.events) == (status, [])
    assert headers.get("www-authenticate") == ("Bearer" if status == 401 else None)
    outcome = {401: "unauthenticated", 403: "forbidden", 503: "undecided"}[status]
    assert webhook.counted == {("Other", outcome): 1}


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": timedelta(seconds=-200)},
        {"nbf": timedelta(seconds=200)},
        {"iat": timedelta(seconds=9000)},
    ],
)
async def test_clocks_may_differ_by_five_minutes(
    azure: EntraServer, webhook: WebhookServer, changes: dict[str, Any]
) -> None:
    assert await webhook.bearer(azure.entra.token(azure.entra.claims(AUDIENCE, **from_now(changes)))) == 200


async def test_a_wrong_clock_loses_no_event(azure: EntraServer) -> None:
    """Ten minutes slow: put off until the token is good; a refusal would be for good."""
    slow = Clock(time.time() - 600)
    async with serving_webhook({"entra": azure.table()}, ca_file=azure.ca, now=slow) as webhook:
        now = int(time.time())
        token = azure.entra.token(azure.entra.claims(AUDIENCE, nbf=now, iat=now))
        before = await webhook.bearer(token)
        slow.seconds += 400
        assert (before, await webhook.bearer(token)) == (503, 200)


async def test_a_token_in_other_capitals_and_an_audience_of_several_is_the_same(azure: EntraServer) -> None:
    table = azure.table(audiences=["11111111-aaaa-4bbb-8ccc-dddddddddddd", AUDIENCE])
    claims = azure.entra.claims(AUDIENCE, tid=azure.entra.tenant.upper())
    async with serving_webhook({"entra": table}, ca_file=azure.ca) as webhook:
        assert await webhook.bearer(azure.entra.token(claims)) == 200


async def test_the_role_may_be_switched_off_and_the_app_be_another(azure: EntraServer) -> None:
    async with serving_webhook({"entra": azure.table(role="", app_id=OTHER)}, ca_file=azure.ca) as webhook:
        wanted = azure.entra.claims(AUDIENCE, appid=OTHER, roles=None)
        assert await webhook.bearer(azure.entra.token(wanted)) == 200
        assert await webhook.bearer(azure.entra.event_grid_token(AUDIENCE)) == 403


def forged(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    return ".".join([part(json.dumps(header).encode()), part(json.dumps(claims).encode()), part(signature)])


async def test_a_token_without_a_signature_is_refused(azure: EntraServer, webhook: WebhookServer) -> None:
    claims, kid = azure.entra.claims(AUDIENCE), azure.entra.signing.kid
    for alg in ("none", "None", "NONE", "", None, "RS256"):
        assert await webhook.bearer(forged({"alg": alg, "kid": kid, "typ": "JWT"}, claims)) == 401
    good = azure.entra.event_grid_token(AUDIENCE)
    assert await webhook.bearer(good.rpartition(".")[0] + ".") == 401


async def test_a_token_signed_with_the_public_key_as_a_shared_secret_is_refused(
    azure: EntraServer, webhook: WebhookServer
) -> None:
    pem = azure.entra.signing.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    head = {"alg": "HS256", "kid": azure.entra.signing.kid}
    message = forged(head, azure.entra.claims(AUDIENCE)).rpartition(".")[0]
    import hashlib
    import hmac

    mac = base64.urlsafe_b64encode(hmac.digest(pem, message.encode(), hashlib.sha256)).rstrip(b"=").decode()
    assert await webhook.bearer(f"{message}.{mac}") == 401


@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS256"])
async def test_other_algorithms_with_the_right_key_are_refused(
    azure: EntraServer, webhook: WebhookServer, algorithm: str
) -> None:
    key = azure.entra.signing
    token = jwt.encode(azure.entra.claims(AUDIENCE), key.private, algorithm, {"kid": key.kid})
    assert await webhook.bearer(token) == 401


async def test_another_signature_under_a_known_key_id_is_refused(
    azure: EntraServer, webhook: WebhookServer
) -> None:
    other_key = new_key()
    kid = azure.entra.signing.kid
    token = jwt.encode(azure.entra.claims(AUDIENCE), other_key.private, "RS256", {"kid": kid})
    assert await webhook.bearer(token) == 401


async def test_a_changed_payload_is_refused(azure: EntraServer, webhook: WebhookServer) -> None:
    head, _, signature = azure.entra.event_grid_token(AUDIENCE).split(".")
    other = forged({}, azure.entra.claims(AUDIENCE, oid="somebody-else")).split(".")[1]
    assert await webhook.bearer(f"{head}.{other}.{signature}") == 401


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer ", "Bearer x", "Bearer a.b.c", "Basic eDp5", "Bearer " + "[" * 40_000, "bearer ä"],
)
async def test_what_is_no_token_is_refused_without_asking_entra_more_often(
    azure: EntraServer, webhook: WebhookServer, authorization: str
) -> None:
    assert await webhook.status({"Authorization": authorization}) == 401
    assert azure.fetches <= 1


async def test_a_header_nested_beyond_reason_is_refused(webhook: WebhookServer) -> None:
    deep = base64.urlsafe_b64encode(b"[" * 10_000).rstrip(b"=").decode()
    assert await webhook.bearer(f"{deep}.e30.e30") == 401


async def test_no_credential_is_answered_401(webhook: WebhookServer) -> None:
    assert await webhook.status() == 401


async def test_neither_logs_nor_answers_show_a_token(
    azure: EntraServer, webhook: WebhookServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    good = azure.entra.event_grid_token(AUDIENCE)
    bad = azure.entra.token(azure.entra.claims(AUDIENCE, aud="api://private.example"))
    said = [(await webhook.post({"Authorization": f"Bearer {token}"}))[2] for token in (good, bad, bad + "x")]
    shown = caplog.text + "".join(said) + repr(webhook.authenticator)
    assert not any(part in shown for token in (good, bad) for part in token.split("."))
    assert "private.example" not in shown
