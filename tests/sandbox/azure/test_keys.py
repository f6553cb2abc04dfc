from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sandbox.azure.keys import Gateway, fingerprint, read, sign

EXPIRY = datetime(2030, 1, 2, 3, 4, tzinfo=UTC)
NOW = datetime(2029, 12, 20, tzinfo=UTC)


@pytest.fixture
def gateway() -> Gateway:
    return Gateway("gw1", "contoso", "rg", "sub", now=lambda: NOW)


def test_the_signature_is_the_one_that_the_service_uses():
    assert sign("not-a-real-key", "gw1", EXPIRY) == (
        "gw1&203001020304&poXhJRQjfN6awdKRJrV16u3BQd2Uawnd/12pGq4v9OLgF2Wi7Hd0i6iWImndLZPg2b9+422CLKyVqUKrfYGN2A=="
    )


def test_seconds_are_truncated(gateway):
    assert gateway.mint("primary", EXPIRY + timedelta(seconds=59)) == gateway.mint("primary", EXPIRY)
    assert {minted.expires_at for minted in gateway.minted} == {EXPIRY}


def test_minting_is_deterministic_and_every_call_is_recorded(gateway):
    token = gateway.mint("primary", EXPIRY)
    assert gateway.mint("primary", EXPIRY) == token
    assert [
        (mint.key, mint.generation, mint.expires_at, mint.fingerprint, mint.at) for mint in gateway.minted
    ] == [("primary", 1, EXPIRY, fingerprint(token), NOW)] * 2


def test_without_determinism_every_token_differs_and_works(gateway):
    gateway.deterministic = False
    tokens = {gateway.mint("primary", EXPIRY) for _ in range(3)}
    assert len(tokens) == 3
    assert all(gateway.accepts(token) for token in tokens)


@pytest.mark.parametrize("deterministic", [True, False])
def test_regenerating_a_key_invalidates_its_tokens_and_no_others(gateway, deterministic):
    gateway.deterministic = deterministic
    primary, secondary = gateway.mint("primary", EXPIRY), gateway.mint("secondary", EXPIRY)
    gateway.regenerate("primary")
    assert not gateway.accepts(primary)
    assert gateway.accepts(secondary)
    assert gateway.signer(secondary) == "secondary"
    assert gateway.generations == {"primary": 2, "secondary": 1}


def test_a_token_works_until_the_minute_of_its_expiry(gateway):
    token = gateway.mint("primary", EXPIRY)
    gateway.now = lambda: EXPIRY - timedelta(seconds=1)
    assert gateway.accepts(token)
    gateway.now = lambda: EXPIRY
    assert not gateway.accepts(token)


def test_a_token_of_another_gateway_is_refused_even_with_the_same_key(gateway):
    other = Gateway("gw2", "contoso", "rg", "sub", now=lambda: NOW, keys=gateway.keys)
    assert not gateway.accepts(other.mint("primary", EXPIRY))


@pytest.mark.parametrize("text", ["", "GatewayKey gw1&203001020304&abc=", "gw1&209913012560&abc=", "gw1&x&y"])
def test_a_text_that_is_not_a_token_names_nothing_or_is_refused(gateway, text):
    claims = read(text)
    assert claims is None or claims.gateway != "gw1"
    assert not gateway.accepts(text)


def test_no_key_is_in_the_repr(gateway):
    assert gateway.keys["primary"] not in repr(gateway)
