"""The keys that tokens are checked with: fetched, kept, rotated; and nothing is lost while they cannot be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.responses import RedirectResponse
from starlette.types import Receive, Scope, Send

from rotator.eventgrid.auth import jwks
from sandbox import serve, tls
from sandbox.azure.entra import new_key
from tests.eventgrid.auth.webhook_server import (
    AUDIENCE,
    Clock,
    EntraServer,
    WebhookServer,
    serving_entra,
    serving_webhook,
    until,
)


@pytest.fixture
async def azure(tmp_path: Path) -> AsyncIterator[EntraServer]:
    async with serving_entra(tmp_path) as made:
        yield made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def webhook(azure: EntraServer, clock: Clock) -> AsyncIterator[WebhookServer]:
    """With the keys fetched once."""
    async with serving_webhook({"entra": azure.table()}, ca_file=azure.ca, clock=clock) as made:
        await until(lambda: made.authenticator is not None and not made.authenticator.problem())
        yield made


def token(azure: EntraServer) -> str:
    return azure.entra.event_grid_token(AUDIENCE)


async def test_the_keys_are_fetched_once_for_many_deliveries(
    azure: EntraServer, webhook: WebhookServer
) -> None:
    assert [await webhook.bearer(token(azure)) for _ in range(20)] == [200] * 20
    assert azure.fetches == 1


async def test_a_new_key_is_fetched_when_it_is_used(
    azure: EntraServer, webhook: WebhookServer, clock: Clock
) -> None:
    old = token(azure)
    azure.entra.rotate()
    clock.seconds += 61
    assert [await webhook.bearer(token(azure)), await webhook.bearer(old)] == [200, 200]
    assert azure.fetches == 2


async def test_a_key_that_is_new_within_a_minute_puts_off_and_does_not_refuse(
    azure: EntraServer, webhook: WebhookServer, clock: Clock
) -> None:
    azure.entra.rotate()
    status, headers, _ = await webhook.post({"Authorization": f"Bearer {token(azure)}"})
    assert (status, headers["retry-after"]) == (503, "60")
    clock.seconds += 60
    assert await webhook.bearer(token(azure)) == 200


async def test_a_key_that_entra_withdrew_is_refused(
    azure: EntraServer, webhook: WebhookServer, clock: Clock
) -> None:
    old = token(azure)
    azure.entra.rotate(keep_old=False)
    clock.seconds += 61
    assert await webhook.bearer(token(azure)) == 200
    clock.seconds += 61
    assert await webhook.bearer(old) == 401


async def test_a_flood_of_unknown_keys_asks_entra_once_a_minute(
    azure: EntraServer, webhook: WebhookServer, clock: Clock
) -> None:
    unknown = [azure.entra.token(azure.entra.claims(AUDIENCE), new_key()) for _ in range(3)]
    for minute in (1, 2):
        clock.seconds += 61
        found = await asyncio.gather(*(webhook.bearer(unknown[n % 3]) for n in range(60)))
        assert set(found) <= {401, 503}
        assert azure.fetches == 1 + minute
    assert await webhook.bearer(token(azure)) == 200


@pytest.mark.parametrize("action", ["status", "reset", "hang"])
async def test_keys_that_were_never_reachable_put_off_and_then_come(
    azure: EntraServer, clock: Clock, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "FETCH_TIMEOUT", 0.3)
    azure.faults.add(server="entra", action=action, times=None)  # type: ignore[arg-type]
    async with serving_webhook({"entra": azure.table()}, ca_file=azure.ca, clock=clock) as webhook:
        assert await webhook.bearer(token(azure)) == 503
        assert webhook.authenticator and "webhook.entra: " in webhook.authenticator.problem()
        assert webhook.counted == {("Other", "undecided"): 1}
        azure.faults.clear()
        monkeypatch.undo()  # what has to succeed may take its time
        clock.seconds += 11
        assert await webhook.bearer(token(azure)) == 200
        assert webhook.authenticator.problem() == ""


async def test_known_keys_stay_in_use_while_entra_is_away(
    azure: EntraServer, webhook: WebhookServer, clock: Clock
) -> None:
    azure.faults.add(server="entra", action="status", times=None)
    clock.seconds += 90_000
    unknown = azure.entra.token(azure.entra.claims(AUDIENCE), new_key())
    assert [await webhook.bearer(unknown), await webhook.bearer(token(azure))] == [503, 200]


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "[]",
        "{}",
        '{"keys": []}',
        '{"keys": "x"}',
        '{"keys": [1, {"kty": "RSA"}, {"kty": "oct", "kid": "a", "k": "AAAA"}]}',
        '{"keys": [{"kty": "RSA", "use": "enc", "kid": "a", "n": "AQAB", "e": "AQAB"}]}',
        '{"keys": [{"kty": "RSA", "kid": "a", "n": "!", "e": 1}]}',
        "[" * 50_000,
    ],
)
async def test_a_set_without_a_usable_key_replaces_nothing(
    azure: EntraServer, webhook: WebhookServer, clock: Clock, answer: str
) -> None:
    azure.faults.add(server="entra", action="status", status=200, body=answer, times=None)
    clock.seconds += 61
    unknown = azure.entra.token(azure.entra.claims(AUDIENCE), new_key())
    assert [await webhook.bearer(unknown), await webhook.bearer(token(azure))] == [503, 200]


async def test_a_set_beyond_a_mebibyte_is_not_read(
    azure: EntraServer, webhook: WebhookServer, clock: Clock
) -> None:
    azure.entra.rotate()
    whole = json.dumps({"keys": [key.public for key in azure.entra.published]})
    for padding, status in ((1_100_000, 503), (0, 200)):
        azure.faults.clear()
        azure.faults.add(server="entra", action="status", status=200, body=whole + " " * padding, times=None)
        clock.seconds += 61
        assert await webhook.bearer(token(azure)) == status


async def test_what_else_a_set_holds_is_passed_over(azure: EntraServer) -> None:
    odd = [{"kty": "EC", "kid": "a"}, {"kty": "RSA", "kid": 7}, None]
    good = azure.entra.signing
    assert list(jwks.parse_key_set({"keys": [*odd, good.public]})) == [good.kid]


async def test_a_redirect_is_not_followed(azure: EntraServer, tmp_path: Path) -> None:
    """Not even to a place that has the right keys: only the configured address says what they are."""
    files = tls.Certificates(azure.ca, tmp_path / "server.pem", tmp_path / "server-key.pem")

    async def elsewhere(scope: Scope, receive: Receive, send: Send) -> None:
        await RedirectResponse(azure.entra.url + scope["path"])(scope, receive, send)

    async with serve.serving({"elsewhere": elsewhere}, {"elsewhere": files}) as urls:
        table = azure.table(authority=urls["elsewhere"])
        async with serving_webhook({"entra": table}, ca_file=azure.ca) as webhook:
            assert await webhook.bearer(token(azure)) == 503
            assert webhook.authenticator and "307" in webhook.authenticator.problem()


async def test_a_server_that_cannot_prove_itself_gives_no_keys(azure: EntraServer) -> None:
    """Its certificate is of an authority that only ca_file knows."""
    async with serving_webhook({"entra": azure.table()}) as webhook:
        assert await webhook.bearer(token(azure)) == 503
        assert webhook.authenticator and "CERTIFICATE_VERIFY_FAILED" in webhook.authenticator.problem()


async def test_a_ca_file_that_comes_later_is_read_then(
    azure: EntraServer, tmp_path: Path, clock: Clock
) -> None:
    late = tmp_path / "late.pem"
    async with serving_webhook({"entra": azure.table()}, ca_file=late, clock=clock) as webhook:
        before = await webhook.bearer(token(azure))
        late.write_bytes(azure.ca.read_bytes())
        clock.seconds += 11
        assert (before, await webhook.bearer(token(azure))) == (503, 200)


async def test_the_proxy_of_the_environment_is_used(
    azure: EntraServer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    async with serving_webhook({"entra": azure.table()}, ca_file=azure.ca, clock=clock) as webhook:
        assert await webhook.bearer(token(azure)) == 503
        assert webhook.authenticator and "Proxy" in webhook.authenticator.problem()
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        clock.seconds += 11
        assert await webhook.bearer(token(azure)) == 200


async def test_a_key_set_of_a_hundred_keys_is_no_burden(azure: EntraServer) -> None:
    one = azure.entra.signing.public
    many = {"keys": [{**one, "kid": str(n)} for n in range(100)]}
    assert len(jwks.parse_key_set(json.loads(json.dumps(many)))) == 100


async def test_a_door_that_follows_begins_with_the_keys_of_the_one_before(
    azure: EntraServer, webhook: WebhookServer, clock: Clock
) -> None:
    """A configuration that is read again while Entra is unreachable puts no delivery off."""
    azure.faults.add(server="entra", action="status", times=None)
    async with serving_webhook({"entra": azure.table()}, ca_file=azure.ca, clock=clock) as following:
        assert await following.bearer(token(azure)) == 503
        assert webhook.authenticator and following.authenticator
        following.authenticator.inherit(webhook.authenticator)
        assert await following.bearer(token(azure)) == 200
        assert following.authenticator.problem() == ""


async def test_who_waited_for_keys_in_vain_does_not_begin_anew_at_once(
    azure: EntraServer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jwks, "FETCH_TIMEOUT", 0.3)
    hang = azure.faults.add(server="entra", action="hang")
    azure.faults.add(server="entra", action="status", times=None)
    async with serving_webhook({"entra": azure.table()}, ca_file=azure.ca, clock=clock) as webhook:
        await hang.hit()
        clock.seconds += 10  # as long as a fetch may take
        assert await webhook.bearer(token(azure)) == 503
        assert webhook.authenticator
        said = webhook.authenticator.problem()
        assert await webhook.bearer(token(azure)) == 503
        assert webhook.authenticator.problem() == said, "it was asked again"
