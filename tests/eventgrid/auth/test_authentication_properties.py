"""Whatever is sent to the public port: an answer comes out, one of few, and nothing is raised."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.types import ASGIApp, Message

from rotator.config import WebhookSettings
from rotator.daemon.public_port import delivery_app, public_app
from rotator.eventgrid.auth.authentication import Authenticator, open_authenticator
from rotator.eventgrid.auth.jwks import parse_key_set
from sandbox.azure.entra import TENANT, Entra
from tests.eventgrid.auth.webhook_server import AUDIENCE, OLD, WebhookServer
from tests.eventgrid.builders import CLOUD, body, cloud, grid, validation

ANSWERS = {200, 400, 401, 403, 404, 405, 408, 413, 415, 429, 503}
ENTRA = Entra()
few = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Port:
    """The public port without its socket: guard, limits and webhook as the daemon builds them."""

    def __init__(self, folder: Path) -> None:
        (folder / "secrets").write_text(OLD)
        self.made = WebhookServer()
        self.settings = WebhookSettings(
            secret_file=folder / "secrets",
            entra={"tenant_id": TENANT, "audiences": [AUDIENCE], "authority": "https://127.0.0.1:1"},  # type: ignore[arg-type]
            trusted_proxies=["10.0.0.0/8"],  # type: ignore[arg-type]
            max_rate=1_000_000,
            max_body_bytes=100_000,
            body_timeout=timedelta(seconds=1),
        )
        self.runner = asyncio.Runner()
        self.stack = AsyncExitStack()
        self.app = self.runner.run(self._open())

    async def _open(self) -> ASGIApp:
        opening = open_authenticator(self.settings)
        self.authenticator: Authenticator = await self.stack.enter_async_context(opening)
        assert self.authenticator.methods.bearer
        keys = {"keys": [key.public for key in ENTRA.published]}
        self.authenticator.methods.bearer.keys._keys = parse_key_set(keys)
        return public_app(
            delivery_app(self.settings, self.authenticator, self.made.handle, self.made.count_event)
        )

    def close(self) -> None:
        self.runner.run(self.stack.aclose())
        self.runner.close()

    def send(self, headers: list[tuple[bytes, bytes]], raw: bytes, **scope: Any) -> int:
        """Send one request; return the status of the only answer."""
        return self.runner.run(self._send(headers, raw, scope))

    async def _send(self, headers: list[tuple[bytes, bytes]], raw: bytes, scope: dict[str, Any]) -> int:
        answers: list[Message] = []
        arriving = [{"type": "http.request", "body": raw, "more_body": False}]

        async def receive() -> Message:
            return arriving.pop() if arriving else {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            answers.append(message)

        whole = {
            "type": "http",
            "method": "POST",
            "path": "/events",
            "query_string": b"",
            "headers": headers,
            "client": ("10.0.0.1", 1),
        }
        await self.app({**whole, **scope}, receive, send)
        assert [m["type"] for m in answers].count("http.response.start") == 1
        assert not answers[-1].get("more_body")
        return int(answers[0]["status"])


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Port]:
    made = Port(tmp_path_factory.mktemp("port"))
    yield made
    made.close()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=8), v, max_size=3),
    max_leaves=8,
)
names = st.sampled_from(
    [
        b"authorization",
        b"x-rotator-secret",
        b"aeg-event-type",
        b"content-type",
        b"content-length",
        b"expect",
        b"x-forwarded-for",
        b"aeg-subscription-name",
        b"transfer-encoding",
        b"webhook-request-origin",
    ]
)
words = st.sampled_from(
    [
        OLD.encode(),
        b"Bearer ",
        b"Bearer a.b.c",
        b"SubscriptionValidation",
        b"application/json",
        b"100-continue",
        b"99999999999999999999",
        b"-1",
        b"chunked",
        b"10.0.0.1, [::1]:9, x",
        b"eventgrid.azure.net",
    ]
)
heads = st.lists(st.tuples(names, words | st.binary(max_size=60)), max_size=6)
bodies = st.sampled_from(
    [body(cloud()), body([grid()]), body([validation()]), b"", b"[" * 3000, b"x" * 100_001]
) | st.binary(max_size=200)


@few
@given(
    heads,
    st.binary(max_size=80) | st.sampled_from([b"code=" + OLD.encode(), b"code=%zz&code", b"&" * 500]),
    bodies,
    st.sampled_from(["POST", "OPTIONS", "GET", "PUT", "X"]),
    st.sampled_from(["/events", "/", "/events/", "/EVENTS"]) | st.text(max_size=10).map("/".__add__),
)
def test_any_head_and_body_get_an_answer_of_ours(
    port: Port, headers: list[tuple[bytes, bytes]], query: bytes, raw: bytes, method: str, path: str
) -> None:
    status = port.send(headers, raw, query_string=query, method=method, path=path)
    assert status in ANSWERS


@few
@given(heads, st.binary(max_size=80), bodies)
def test_nothing_but_a_credential_lets_an_event_in(
    port: Port, headers: list[tuple[bytes, bytes]], query: bytes, raw: bytes
) -> None:
    port.made.events.clear()
    port.send([pair for pair in headers if OLD.encode() not in pair[1]], raw, query_string=query)
    assert port.made.events == []


CLAIMS = ENTRA.claims(AUDIENCE)
KID = ENTRA.signing.kid
GOOD = ENTRA.token(CLAIMS)


@few
@given(st.dictionaries(st.sampled_from([*CLAIMS, "azp"]), json_values, min_size=1, max_size=3))
def test_a_signed_token_with_any_claims_is_admitted_or_refused(
    port: Port, changes: dict[str, object]
) -> None:
    token = ENTRA.token(CLAIMS | changes)
    status = port.send(said(f"Bearer {token}"), body(cloud()))
    assert status in {401, 403, 503} or only_harmless(changes)


def only_harmless(changes: dict[str, object]) -> bool:
    """Claims whose value is checked, and was changed to a wrong one, are none of these."""
    checked = {"aud", "iss", "tid", "appid", "azp", "roles"}
    return not any(name in checked and CLAIMS.get(name) != value for name, value in changes.items())


@few
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "alg": json_values,
            "kid": st.just(KID) | json_values,
            "b64": json_values,
            "crit": json_values,
            "typ": json_values,
        },
    ),
    json_values | st.just(CLAIMS),
    st.binary(max_size=300),
)
def test_a_token_that_entra_did_not_sign_never_comes_in(
    port: Port, head: dict[str, object], claims: object, signature: bytes
) -> None:
    from jwt.utils import base64url_encode

    parts = [json.dumps(head).encode(), json.dumps(claims).encode(), signature]
    token = b".".join(map(base64url_encode, parts)).decode()
    assert port.send(said(f"Bearer {token}"), body(cloud())) in {401, 503}


@few
@given(st.integers(0, len(GOOD) - 2), st.characters(codec="latin-1"))
def test_a_token_with_one_character_changed_never_comes_in(port: Port, place: int, other: str) -> None:
    """The last one is left alone: some of its bits are padding."""
    token = GOOD[:place] + other + GOOD[place + 1 :]
    if token.strip() == GOOD:
        return
    assert port.send(said(f"Bearer {token}"), body(cloud())) in {401, 503}


def test_the_token_that_the_others_are_made_from_comes_in(port: Port) -> None:
    assert port.send(said(f"Bearer {GOOD}"), body(cloud())) == 200


def said(authorization: str) -> list[tuple[bytes, bytes]]:
    named = [(name.encode(), value.encode()) for name, value in CLOUD.items()]
    return [*named, (b"authorization", authorization.encode("latin-1"))]
