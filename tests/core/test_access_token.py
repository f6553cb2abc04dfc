"""Reading a token, with the invented vector of the signature's documentation."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rotator.core.access_token import MalformedTokenError, parse_token

VECTOR = (
    "gw1&203001020304&"
    "poXhJRQjfN6awdKRJrV16u3BQd2Uawnd/12pGq4v9OLgF2Wi7Hd0i6iWImndLZPg2b9+422CLKyVqUKrfYGN2A=="
)


def test_a_bare_token_tells_its_gateway_and_expiry() -> None:
    token = parse_token(VECTOR)
    assert (token.gateway, token.expires_at) == ("gw1", datetime(2030, 1, 2, 3, 4, tzinfo=UTC))
    assert token.value == VECTOR and not token.prefixed


@pytest.mark.parametrize("text", [f"GatewayKey {VECTOR}", f"  GatewayKey {VECTOR}\n", f"{VECTOR}\n"])
def test_prefix_and_white_space_do_not_change_the_fingerprint(text: str) -> None:
    token = parse_token(text)
    assert token.fingerprint == parse_token(VECTOR).fingerprint
    assert token.value == VECTOR
    assert token.prefixed == ("GatewayKey" in text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "three parts"),
        ("GatewayKey ", "three parts"),
        ("<configuration-token>", "three parts"),
        ("gw1&203001020304", "three parts"),
        (VECTOR + "&more", "three parts"),
        (VECTOR.replace("gw1", ""), "gateway's name"),
        (VECTOR.replace("gw1", "g w"), "gateway's name"),
        (VECTOR.replace("2030", "30"), "yyyyMMddHHmm"),
        (VECTOR.replace("203001020304", "203013020304"), "not a date"),
        (VECTOR.replace("203001020304", "２０３００１０２０３０４"), "yyyyMMddHHmm"),
        (VECTOR[:-20] + "\n" + VECTOR[-20:], "base64"),
        (VECTOR[:-3], "base64"),
        (VECTOR[:37], "too short"),
        ("gw1&203001020304&", "too short"),
    ],
)
def test_a_malformed_token_is_refused_with_the_reason_and_never_quoted(text: str, why: str) -> None:
    with pytest.raises(MalformedTokenError, match=why) as refused:
        parse_token(text)
    assert len(text) < 5 or text.strip() not in str(refused.value)


@given(st.text())
def test_whatever_the_text_it_is_read_or_refused(text: str) -> None:
    try:
        token = parse_token(text)
    except MalformedTokenError:
        return
    assert token.value in text


def test_the_value_has_no_repr() -> None:
    token = parse_token(VECTOR)
    assert VECTOR[20:] not in repr(token)
    assert pickle.loads(pickle.dumps(token)) == token
