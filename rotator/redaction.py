"""Removes credentials from text: from log lines, and from what other systems say.

It is the last line of defence. The first is never to pass a credential on.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode

GONE = "[redacted]"

_AND = r"(?:&(?:amp;)?|%26|\\{1,4}u0026)"
_SIGNED = re.compile(rf"{_AND}[0-9]{{12}}{_AND}(?:[^\s\"'\\]|\\{{1,4}}(?:/|u[0-9A-Fa-f]{{4}}))+")
"""A token's expiry and all that follows: a signature may be cut off, base64url, or escaped as in JSON."""
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

_WHOLE_TOKEN = re.compile(r"(GatewayKey\s+)?(?<![^\s\"'&])[^\s\"'&]+&[0-9]{12}&[^\s\"']*")
"""Looked for from the beginning of a word only: from every character it would cost quadratic time."""
_DATA = re.compile(r"""("data\\*"\s*:\s*\{)(?:[^{}]*(?=\})|.*)""", re.DOTALL)
"""What a JSON object holds there, be it quoted in a string; of one that does not end, all the rest."""
_STRING_DATA = re.compile(r"""("stringData\\*"\s*:\s*\{).*""", re.DOTALL)
"""Such values may have braces of their own, so nothing tells where they end."""
_BYTES = (
    re.compile(r"(?:(?:0x|\\x)[0-9A-Fa-f]{1,2}[,\s]*){8,}"),
    re.compile(r"(?<![0-9A-Za-z])[0-9A-Fa-f]{1,3}(?:(?:,\s*|\s+|:)[0-9A-Fa-f]{1,3}){11,}(?![0-9A-Za-z])"),
)
"""Go writes a []byte as []uint8{0x47, 0x61, …} or [71 97 …], dumps have 47 61 … or 47:61:…."""
_RUN = re.compile(r"(?:[A-Za-z0-9+/=_%-]|\\/){24,}")
"""What base64, base64url, hex, and what an address makes of them look like; names do, too."""
_NAME = re.compile(r"[a-z0-9/_-]+|[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}")
_WORDS = re.compile(r"[A-Za-z_-]+")
"""Names and paths of Kubernetes are in small letters; people may join words that have capitals."""
_HEX = re.compile(r"[0-9a-f]{24,}")
_BREAK = r"[ \t]*(?:\\[nr]|[\r\n])(?:\\[nrt]|\s)*"
_LAST_LINE = re.compile(rf"{re.escape(GONE)}(?:{_BREAK}[A-Za-z0-9+/=_%-]+(?=[\"'\\\r\n]|$))+")
"""The last line of a value that was broken into lines, too short to be known as such by itself."""


def redact(line: str) -> str:
    """Return line without what looks like a gateway token (`name&yyyyMMddHHmm&base64`, bare, escaped, or
    in base64 as in a Secret's data), a gateway's key (64 bytes in base64), a bearer token or a JWT.

    What is taken away holds no quote and no backslash of its own, so JSON stays JSON.
    """
    line = _SIGNED.sub(f"&{GONE}", line)
    line = _GATEWAY_KEY.sub(rf"\1{GONE}", line)
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


def redact_quoted(text: str) -> str:
    """Return a text of another system (an API server, an admission webhook) without what may be a value
    of a Secret: gateway tokens, the data of Secrets that are quoted as JSON, lists of bytes, and long words
    that could be base64, base64url or hex, in one line or many.
    """
    text = _STRING_DATA.sub(rf"\1{GONE}", text)
    text = _DATA.sub(rf"\1{GONE}", text)
    text = _WHOLE_TOKEN.sub(GONE, text)
    for form in _BYTES:
        text = form.sub(GONE, text)
    text = _RUN.sub(_if_value, text)
    return _LAST_LINE.sub(GONE, text)


def _if_value(run: re.Match[str]) -> str:
    word = run[0]
    joined = ("-" in word or "_" in word) and _WORDS.fullmatch(word)
    return word if (_NAME.fullmatch(word) or joined) and not _HEX.search(word) else GONE
