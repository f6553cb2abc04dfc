"""Texts of others (an API server, an admission webhook) without what looks like a value of a Secret."""

from __future__ import annotations

import re

GONE = "…"

_TOKEN = re.compile(r"(GatewayKey\s+)?(?<![^\s\"'&])[^\s\"'&]+&[0-9]{12}&[^\s\"']*")
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
_REST = re.compile(rf"{GONE}(?:[ \t]*(?:\\[nr]|[\r\n])(?:\\[nrt]|\s)*[A-Za-z0-9+/=_%-]+(?=[\"'\\\r\n]|$))+")
"""The last line of a value that was broken into lines, too short to be known as such by itself."""


def clean(text: str) -> str:
    """Return text without gateway tokens; without the data of Secrets that are quoted as JSON; and without
    long words that could be base64, base64url or hex, in one line or many, and lists of bytes.
    """
    text = _STRING_DATA.sub(rf"\1{GONE}", text)
    text = _DATA.sub(rf"\1{GONE}", text)
    text = _TOKEN.sub(GONE, text)
    for form in _BYTES:
        text = form.sub(GONE, text)
    text = _RUN.sub(_if_value, text)
    return _REST.sub(GONE, text)


def _if_value(run: re.Match[str]) -> str:
    word = run[0]
    joined = ("-" in word or "_" in word) and _WORDS.fullmatch(word)
    return word if (_NAME.fullmatch(word) or joined) and not _HEX.search(word) else GONE
