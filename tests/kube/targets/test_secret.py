from __future__ import annotations

import json

import pytest

from rotator.core.access_token import fingerprint
from rotator.core.records import Decision, Key, Record, Token
from rotator.errors import Refused
from rotator.kube.targets.annotations import PREFIX, encode_record
from rotator.kube.targets.secret import (
    LAST_APPLIED,
    encode_location,
    has_token_in_last_applied,
    read_secret,
    read_token,
    write_value,
)
from tests.kube.objects import EXPIRY, GATEWAY, NOW, a_secret, encoded, token

RECORD = Record(Decision(1, Token("0123456789ab", Key.PRIMARY, NOW, EXPIRY, "0123456789ab")))
OURS = {name: said for name, said in encode_record(RECORD).items() if said is not None}


def read(secret, key=None, gateway=GATEWAY):
    return read_secret(secret, "Secret apim/s", key, gateway)


@pytest.mark.parametrize(("front", "prefixed"), [("GatewayKey ", True), ("", False)])
def test_a_token_is_read_with_the_form_it_is_written_in(front, prefixed):
    found = read(a_secret(value=f"{front}{token()}\n"))
    assert (found.key, found.fingerprint, found.expires_at) == ("value", fingerprint(token()), EXPIRY)
    assert found.prefixed is prefixed
    assert (found.version, found.uid, found.record) == ("7", "u-1", None)


def test_gateway_names_differ_in_case_only_and_are_the_same():
    assert read(a_secret(value=token("GW1"))).expires_at == EXPIRY


@pytest.mark.parametrize("text", ["", "  \n", "<configuration-token>", "GatewayKey <token>", "GatewayKey "])
def test_an_empty_or_placeholder_value_is_waiting_to_be_filled(text):
    found = read(a_secret(value=text))
    assert (found.fingerprint, found.expires_at, found.prefixed) == (None, None, True)


def test_a_secret_without_data_is_waiting_to_be_filled_if_the_key_is_known():
    assert read(a_secret(), key="value").fingerprint is None
    with pytest.raises(Refused, match="set key"):
        read(a_secret())


def test_a_configured_key_that_is_missing_is_refused_with_the_keys_that_exist():
    with pytest.raises(Refused, match=r"has no key value \(its keys: other\)"):
        read(a_secret(other=token()), key="value")


@pytest.mark.parametrize("text", [token("gw2"), "hunter2", token()[:-9]])
def test_what_is_not_this_gateways_is_refused_and_never_quoted(text):
    with pytest.raises(Refused, match=r"ame the right Secret") as refused:
        read(a_secret(value=text))
    assert text not in str(refused.value)


@pytest.mark.parametrize("text", [token("gw2"), "hunter2"])
def test_what_another_writer_put_over_the_token_shows_as_drift(text):
    found = read(a_secret(OURS, value=text))
    assert (found.fingerprint, found.expires_at) == (fingerprint(text), None)
    assert found.record == RECORD


def noted(key, *, prefixed=True):
    """Our annotations on a Secret whose token was under key."""
    notes = OURS | encode_location(key, prefixed=prefixed)
    return {name: said for name, said in notes.items() if said is not None}


@pytest.mark.parametrize("configured", [None, "odd"])
@pytest.mark.parametrize("data", [{}, {"odd": ""}, {"other": "kept"}, {"value": "", "odd": "<none>"}])
def test_a_token_that_was_removed_is_missed_where_it_was(configured, data):
    found = read(a_secret(noted("odd"), **data), key=configured)
    assert (found.key, found.fingerprint, found.record, found.prefixed) == ("odd", None, RECORD, True)


def test_a_token_that_was_moved_to_another_key_is_found_there():
    assert read(a_secret(noted("value"), odd=token())).key == "odd"


@pytest.mark.parametrize("prefixed", [True, False])
@pytest.mark.parametrize("text", ["", "<configuration-token>", "hunter2", token("gw2"), token()])
def test_a_token_is_restored_in_the_form_it_had(text, prefixed):
    assert read(a_secret(noted("value", prefixed=prefixed), value=text)).prefixed is prefixed


@pytest.mark.parametrize("front", ["", "GatewayKey "])
def test_a_form_that_another_writer_gave_to_the_token_is_kept(front):
    notes = noted("value", prefixed=not front) | {f"{PREFIX}fingerprint": fingerprint(token())}
    found = read(a_secret(notes, value=f"{front}{token()}"))
    assert found.record.decision.token.fingerprint == found.fingerprint
    assert found.prefixed is bool(front)


def test_an_immutable_secret_is_refused():
    with pytest.raises(Refused, match="immutable"):
        read(a_secret(value=token()) | {"immutable": True})


@pytest.mark.parametrize("prefixed", [True, False])
def test_a_written_value_reads_back(prefixed):
    secret = a_secret() | {"data": {"k": write_value(token(), prefixed=prefixed)}}
    found = read_token(secret, "k")
    assert found is not None
    assert (found.value, found.prefixed) == (token(), prefixed)


def applied(**manifest) -> str:
    return json.dumps({"kind": "Secret", "metadata": {"name": "s"}, **manifest})


@pytest.mark.parametrize(
    "manifest",
    [
        {"data": {"value": encoded(f"GatewayKey {token()}")}},
        {"stringData": {"value": f"GatewayKey {token()}"}},
    ],
)
def test_a_token_in_the_last_applied_configuration_is_a_leak(manifest):
    assert has_token_in_last_applied(applied(**manifest))
    assert read(a_secret({LAST_APPLIED: applied(**manifest)}, value=token())).token_in_last_applied


@pytest.mark.parametrize(
    "text", ["", applied(), applied(stringData={"value": "<token>"}), applied(data=[1]), "{broken", "[]"]
)
def test_a_last_applied_configuration_without_a_token_is_none(text):
    assert not has_token_in_last_applied(text)


def test_contents_never_show_a_value():
    assert token() not in repr(read(a_secret(value=token())))
