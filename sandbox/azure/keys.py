"""A gateway's two keys and the tokens that they sign, with the signature of the real service."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sandbox.common import utc_now

KEYS = ("primary", "secondary")
_TOKEN = re.compile(r"(?P<gateway>[^&]+)&(?P<expiry>\d{12})&(?P<signature>[A-Za-z0-9+/=]+)")


def sign(key: str, gateway: str, expires_at: datetime, nonce: str = "") -> str:
    """Return the bare token `{gateway}&{yyyyMMddHHmm}&{signature}`; seconds of the expiry (UTC) are dropped.

    The signature is HMAC-SHA512 over gateway and expiry with the key's text as key, as Microsoft's recorded
    answers show. The `nonce` is the sandbox's own: with one, tokens differ from call to call.
    """
    expiry = expires_at.astimezone(UTC)
    message = f"{gateway}\n{expiry:%Y-%m-%dT%H:%M}:00.0000000Z{nonce}"
    signature = hmac.new(key.encode(), message.encode(), hashlib.sha512).digest()
    return f"{gateway}&{expiry:%Y%m%d%H%M}&{base64.b64encode(signature).decode()}"


def fingerprint(token: str) -> str:
    """Return the first 12 hex digits of the SHA-256 of a bare token."""
    return hashlib.sha256(token.encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token claims, verified or not."""

    gateway: str
    expires_at: datetime


def read(token: str) -> Claims | None:
    """Return the gateway and expiry (UTC) in a bare token; None if the text is not a token."""
    match = _TOKEN.fullmatch(token)
    if match is None:
        return None
    try:
        expires_at = datetime.strptime(match["expiry"], "%Y%m%d%H%M").replace(tzinfo=UTC)
    except ValueError:
        return None
    return Claims(match["gateway"], expires_at)


@dataclass(frozen=True, slots=True)
class Minted:
    """One call that issued a token; the same token may be issued many times."""

    key: str
    generation: int
    expires_at: datetime
    fingerprint: str
    at: datetime


@dataclass(slots=True, eq=False)
class Gateway:
    """A gateway resource of an API Management service.

    Without `deterministic` every token differs, even for the same key and expiry. `strict`: pods with an
    invalid token do not become Ready (real ones do).
    """

    name: str
    service: str
    group: str
    subscription: str
    now: Callable[[], datetime] = field(default=utc_now, repr=False)
    deterministic: bool = True
    strict: bool = False
    keys: dict[str, str] = field(default_factory=lambda: {key: _new_key() for key in KEYS}, repr=False)
    generations: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KEYS, 1))
    minted: list[Minted] = field(default_factory=list, repr=False)
    _nonces: dict[str, list[str]] = field(
        default_factory=lambda: {key: [] for key in KEYS}, init=False, repr=False
    )

    @property
    def service_id(self) -> str:
        """The ARM id of the API Management service."""
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
            f"/providers/Microsoft.ApiManagement/service/{self.service}"
        )

    @property
    def resource_id(self) -> str:
        """The ARM id of the gateway."""
        return f"{self.service_id}/gateways/{self.name}"

    def mint(self, key: str, expires_at: datetime) -> str:
        """Issue a bare token with any expiry, even a past one; `Arm` checks the limits."""
        expires_at = expires_at.astimezone(UTC).replace(second=0, microsecond=0)
        nonce = "" if self.deterministic else secrets.token_hex(8)
        if nonce:
            self._nonces[key].append(nonce)
        token = sign(self.keys[key], self.name, expires_at, nonce)
        self.minted.append(Minted(key, self.generations[key], expires_at, fingerprint(token), self.now()))
        return token

    def regenerate(self, key: str) -> None:
        """Replace a key, which invalidates all tokens that it signed."""
        self.keys[key] = _new_key()
        self.generations[key] += 1
        self._nonces[key].clear()

    def signer(self, token: str) -> str | None:
        """Return the current key that signed this bare token, expired or not; None if none did."""
        claims = read(token)
        if claims is None or claims.gateway != self.name:
            return None
        for key in KEYS:
            for nonce in ("", *self._nonces[key]):
                expected = sign(self.keys[key], self.name, claims.expires_at, nonce)
                if hmac.compare_digest(expected, token):
                    return key
        return None

    def accepts(self, token: str) -> bool:
        """Whether a pod with this bare token gets its configuration now."""
        claims = read(token)
        return claims is not None and self.now() < claims.expires_at and self.signer(token) is not None


def _new_key() -> str:
    return base64.b64encode(secrets.token_bytes(64)).decode()
