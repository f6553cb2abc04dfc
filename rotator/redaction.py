"""The last line of defence against a credential in a log line. The first is never to pass one on."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode

GONE = "[redacted]"

_AND = r"(?:&(?:amp;)?|%26|\\{1,4}u0026)"
_SIGNED = re.compile(rf"{_AND}[0-9]{{12}}{_AND}[A-Za-z0-9+/%]{{8,}}={{0,2}}")
_GATEWAY_KEY = re.compile(r"(GatewayKey(?:\s|%20|\+)+)[^\s\"'\\]{16,}", re.IGNORECASE)
_BEARER = re.compile(r"(Bearer\s+)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
_START = r"(?:(?<![A-Za-z0-9_-])|(?<=\\[nrt]))"
"""Of a word, or right after an escaped line break: looking from every character would cost quadratic time."""
_JWT = re.compile(rf"{_START}eyJ[A-Za-z0-9_-]{{5,}}\.[A-Za-z0-9_-]{{5,}}(?:\.[A-Za-z0-9_-]*)?")
_SIGNING_KEY = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{86}==")
_NO_ESCAPE = r"(?<!\\)" + "".join(rf"(?<!\\u[0-9A-Fa-f]{{{n}}})" for n in range(4))
"""Not inside of a JSON escape such as `\\u001f`, whose letters look like base64."""
_ENCODED = re.compile(rf"{_NO_ESCAPE}[A-Za-z0-9+/]{{40,}}={{0,2}}")
_INSIDE = re.compile(rb"GatewayKey |&[0-9]{12}&")


def redact(line: str) -> str:
    """Return line without what looks like a gateway token (`name&yyyyMMddHHmm&base64`, bare, escaped, or
    in base64 as in a Secret's data), a gateway's key (64 bytes in base64), a bearer token or a JWT.

    What is taken away holds no quote and no backslash of its own, so JSON stays JSON.
    """
    line = _GATEWAY_KEY.sub(rf"\1{GONE}", line)
    line = _SIGNED.sub(f"&{GONE}", line)
    line = _BEARER.sub(rf"\1{GONE}", line)
    line = _JWT.sub(GONE, line)
    line = _SIGNING_KEY.sub(GONE, line)
    return _ENCODED.sub(_if_token, line)


def _if_token(found: re.Match[str]) -> str:
    text = found[0].rstrip("=")
    try:
        inside = b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        inside = b64decode(text[:-1])  # one character too many: cut off in the middle
    return GONE if _INSIDE.search(inside) else found[0]
