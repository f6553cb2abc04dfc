"""What the texts of others are cleaned of, and what is left in them."""

from __future__ import annotations

import json
import textwrap
import time
from base64 import b64encode, urlsafe_b64encode
from urllib.parse import quote

import pytest

from rotator.kube.client.paths import Access
from rotator.kube.client.responses import failure
from rotator.redaction import redact_quoted
from tests.kube.objects import encoded

SIGNATURE = b64encode(bytes(range(150, 214))).decode()
TOKEN = f"oslo&203001020304&{SIGNATURE}"
RAW = TOKEN.encode()
LINES = encoded(TOKEN * 2)
FORMS = {
    "bare": TOKEN,
    "with its scheme": f"GatewayKey {TOKEN}",
    "as Go escapes it": json.dumps(TOKEN).replace("&", "\\u0026"),
    "with slashes escaped": TOKEN.replace("/", "\\/"),
    "in an address": quote(TOKEN, safe=""),
    "base64": encoded(TOKEN),
    "base64url": urlsafe_b64encode(RAW).decode(),
    "base64url of other bytes": urlsafe_b64encode(bytes(range(190, 254))).decode(),
    "hex": RAW.hex(),
    "hex in capitals": RAW.hex().upper(),
    "hex in pairs": RAW.hex(":"),
    "hex as in a dump": RAW.hex(" "),
    "Go's bytes": f"[]uint8{{{', '.join(hex(byte) for byte in RAW)}}}",
    "Go's numbers": f"[{' '.join(map(str, RAW))}]",
    "Python's bytes": "".join(f"\\x{byte:02x}" for byte in RAW),
    "base64 in lines": "\n".join(textwrap.wrap(LINES, 76)),
    "base64 in lines of YAML": "\n    ".join(textwrap.wrap(LINES, 76)),
    "base64 in escaped lines": "\\n".join(textwrap.wrap(LINES, 60)),
    "base64 in lines of Windows": "\\r\\n".join(textwrap.wrap(LINES, 64)),
}


def pieces(form: str) -> set[str]:
    """Twelve characters in a row are too much."""
    return {form[at : at + 12] for at in range(len(form) - 11)}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("around", ['"{}" in Secret s', "k: {} end", "|{}| {} end", "<{}> then"])
def test_no_form_of_a_token_is_left_but_for_its_name_and_time(form: str, around: str) -> None:
    shown = redact_quoted(around.format(form, form))
    harmless = ("oslo", "2030", "0102", "0304", "u0026", "%26", "GatewayKey")
    left = {piece for piece in pieces(form) if piece in shown and not any(word in piece for word in harmless)}
    assert not left, shown
    assert shown.endswith(around.rpartition(" ")[2])


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_what_is_clean_stays_as_it_is(form: str) -> None:
    once = redact_quoted(f"a {form} b")
    assert redact_quoted(once) == once


def test_the_short_end_of_a_broken_value_goes_with_it() -> None:
    assert redact_quoted(f"data: {'Ab1' * 20}\n  cGFzcw==\nnext: line") == "data: [redacted]\nnext: line"


@pytest.mark.parametrize(
    "text",
    [
        'deployments.apps "gateway-in-namespace-with-a-very-long-name" not found in kube-system/coordination',
        'secrets "s" is forbidden: User "system:serviceaccount:apim:apim-token-rotator" cannot get resource',
        "/apis/coordination.k8s.io/v1/namespaces/apim-production-weu/leases/apim-token-rotator-oslo",
        "the UID in the precondition (0b9e6a9c-4a5e-4a0e-9f0e-5c1d2e3f4a5b) does not match the UID in record",
        "User 0B9E6A9C-4A5E-4A0E-9F0E-5C1D2E3F4A5B may not",
        "the policy Apim-Gateways-Need-A-Quota-For-Secrets denied it",
        "pods apim-gateway-7d9f8b6c5d-x2x9z and apim-gateway-7d9f8b6c5d-abcde are not ready, of 3, 4 or 5",
        "Time: 20:36:01, at 2026-11-21T20:36:01Z, ports 80, 443 and 8080\nand a line\nand another",
        "field_that_nobody_knows_in_kubernetes: a%20path 100%",
    ],
)
def test_names_and_sentences_are_kept(text: str) -> None:
    assert redact_quoted(text) == text


def refused(message: str) -> str:
    """As an error's text, whatever the API server said."""
    body = json.dumps({"kind": "Status", "message": message, "reason": "Invalid"}).encode()
    return str(failure(422, {}, body, Access("patch", "", "secrets", "apim", "s"), "Secret apim/s"))


@pytest.mark.parametrize("quoting", [str, json.dumps, lambda text: json.dumps(json.dumps(text))])
def test_a_whole_secret_is_quoted_without_its_other_values_however_short(quoting) -> None:
    """As a real API server quotes it (1.36): escaped, in a sentence."""
    data = {"password": encoded("hunter2"), "token": encoded(TOKEN), "empty": ""}
    whole = json.dumps({"kind": "Secret", "data": data, "metadata": {"name": "s"}})
    shown = refused(f'"" is invalid: patch: Invalid value: {quoting(whole)}: json: cannot unmarshal number')
    assert encoded("hunter2") not in shown and "token" not in shown
    assert "metadata" in shown and "cannot unmarshal number" in shown


def test_a_quoted_secret_that_is_cut_off_shows_no_value() -> None:
    assert redact_quoted('x {"data":{"a":"cGFzcw==","b":"c') == 'x {"data":{[redacted]'
    assert redact_quoted('x {"stringData":{"a":"{}}","b":"pass"}} y') == 'x {"stringData":{[redacted]'


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "A",
        "-",
        "\\",
        "\n",
        " ",
        "0x1 ",
        "1 ",
        "1,",
        "ab:",
        "[redacted]\n",
        '"data":{',
        '"data',
        "&",
        "\\n",
        "\\/",
        "a-",
        "{",
    ],
)
def test_cleaning_takes_a_time_in_proportion_to_the_text(piece: str) -> None:
    """Eight times the text takes eight times as long; in quadratic time it would be 64 times."""

    def seconds(length: int) -> float:
        text, spent = piece * (length // len(piece)) + ".", []
        for _ in range(3):
            began = time.process_time()
            redact_quoted(text)
            spent.append(time.process_time() - began)
        return min(spent)

    assert seconds(80_000) < 24 * seconds(10_000)
