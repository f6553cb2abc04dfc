"""Reads a gateway access token: its gateway, its expiry and its fingerprint, but not which key signed it.

Wire form: `{gateway-id}&{yyyyMMddHHmm UTC}&{base64 signature}`, with or without `GatewayKey ` in
front (source: Microsoft.ApiManagement `generateToken` and the self-hosted gateway's settings).
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode
from dataclasses import dataclass, field
from datetime import UTC, datetime

PREFIX = "GatewayKey "
_MIN_SIGNATURE_BYTES = 32
"""A shorter signature was cut off; Azure's have 64 bytes."""
_STAMP = re.compile(r"[0-9]{12}")
_FIRST_YEAR, _LAST_YEAR = 1970, 9000
"""Years of expiry that are accepted: near the ends of the calendar no duration can be added or subtracted."""


class MalformedTokenError(ValueError):
    """A text is not a gateway access token. The message never quotes the text."""


@dataclass(frozen=True, slots=True)
class TokenText:
    """A token as it was read. value is the bare token, without `GatewayKey `."""

    value: str = field(repr=False)
    gateway: str
    expires_at: datetime
    fingerprint: str
    prefixed: bool


def fingerprint(value: str) -> str:
    """Return the first 12 hex digits of the SHA-256 of a bare token: safe to show anywhere."""
    return hashlib.sha256(value.encode()).hexdigest()[:12]


def parse_token(text: str) -> TokenText:
    """Return the token in text. White space around it, as `echo` leaves, does not matter.

    Raises:
        MalformedTokenError: text is not of the form `gateway&yyyyMMddHHmm&signature`.
    """
    bare = text.strip()
    prefixed = bare.startswith(PREFIX)
    bare = bare.removeprefix(PREFIX).strip()
    parts = bare.split("&")
    if len(parts) != 3:
        raise MalformedTokenError(f"a token has three parts joined by '&'; this text has {len(parts)}")
    gateway, stamp, signature = parts
    if not gateway or not gateway.isascii() or any(c.isspace() for c in gateway):
        raise MalformedTokenError(
            "the gateway's name before the first '&' is empty, or has white space or characters beyond ASCII"
        )
    return TokenText(bare, gateway, _expiry(stamp), fingerprint(_signed(bare, signature)), prefixed)


def _expiry(stamp: str) -> datetime:
    if not _STAMP.fullmatch(stamp):
        raise MalformedTokenError("the expiry between the two '&' is not yyyyMMddHHmm")
    try:
        at = datetime.strptime(stamp, "%Y%m%d%H%M").replace(tzinfo=UTC)
    except ValueError:
        raise MalformedTokenError("the expiry between the two '&' is not a date") from None
    if not _FIRST_YEAR <= at.year < _LAST_YEAR:
        raise MalformedTokenError("the expiry between the two '&' is not between 1970 and 9000")
    return at


def _signed(bare: str, signature: str) -> str:
    try:
        raw = b64decode(signature, validate=True)
    except ValueError:
        raise MalformedTokenError(
            "the signature after the second '&' is not base64 (cut off or wrapped?)"
        ) from None
    if len(raw) < _MIN_SIGNATURE_BYTES:
        raise MalformedTokenError("the signature after the second '&' is too short (cut off?)")
    return bare
