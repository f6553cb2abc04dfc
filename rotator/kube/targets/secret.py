"""Reads a Secret: which token it holds, what the rotator noted beside it, and whether it may be written."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import datetime

from rotator.core.access_token import PREFIX, MalformedTokenError, TokenText, fingerprint, parse_token
from rotator.core.observation import Request
from rotator.core.records import Key, Record
from rotator.errors import Refused
from rotator.kube.client.responses import Json
from rotator.kube.targets.annotations import PREFIX as OURS
from rotator.kube.targets.annotations import Annotations, decode_record, decode_request
from rotator.kube.targets.secret_format import find_key, holds_token
from rotator.ports import IssuedToken

KEY, BARE = OURS + "secret-key", OURS + "bare"
"""Annotations with the token's key and form, for when another writer removes the token from the data."""
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_PLACEHOLDER = re.compile(r"<[^<>&]*>")
_TOKEN = re.compile(r"[^\s\"'&]&[0-9]{12}&[A-Za-z0-9+/=]{32}")
"""Begins with the last letter of the gateway's name: matching the whole name would take quadratic time."""


@dataclass(frozen=True, slots=True)
class SecretState:
    """A Secret as it was read, without its values. fingerprint None: no token is in place yet.

    expires_at None: the value in place is no token of this gateway. token_in_last_applied: the annotation
    that `kubectl apply` leaves behind holds a token in the clear.
    """

    key: str
    fingerprint: str | None
    expires_at: datetime | None
    prefixed: bool
    record: Record | None
    request: Request | None
    version: str
    uid: str
    token_in_last_applied: bool


def read_secret(secret: Json, where: str, key: str | None, gateway: str) -> SecretState:
    """Return the state of the token of gateway (the last segment of its ARM id).

    Raises:
        Refused: the Secret cannot be used, or holds a value that the rotator must not replace.
    """
    meta = secret["metadata"]
    annotations, data = meta.get("annotations") or {}, secret.get("data") or {}
    if secret.get("immutable"):
        raise Refused(f"{where} is immutable", "Delete it and create it again without `immutable: true`.")
    record = decode_record(annotations, where)
    noted = annotations.get(KEY) if record else None
    if key is not None and data and key not in data and key != noted:
        raise Refused(
            f"{where} has no key {key} (its keys: {', '.join(sorted(data))})",
            "Set key to the one that holds the token, or leave the line out.",
        )
    if key is None and noted and not any(map(holds_token, data.values())):
        key = noted
    key = key or find_key(data, where)
    found, expires_at, prefixed = _read_value(data.get(key, ""), f"{where}, key {key}", gateway, record)
    if record and noted and found != record.decision.token.fingerprint:
        prefixed = BARE not in annotations  # another writer's value does not show the form of the token
    return SecretState(
        key,
        found,
        expires_at,
        prefixed,
        record,
        decode_request(annotations, where),
        meta["resourceVersion"],
        meta.get("uid", ""),
        has_token_in_last_applied(annotations.get(LAST_APPLIED, "")),
    )


def read_token(secret: Json, key: str) -> TokenText | None:
    """Return the token under key, with its value, if there is one."""
    try:
        return parse_token(b64decode((secret.get("data") or {}).get(key, "")).decode())
    except (MalformedTokenError, ValueError):
        return None


def read_issued_token(
    secret: Json, where: str, key: str | None, gateway: str, fingerprint: str
) -> IssuedToken | None:
    """Return the token if the Secret holds it. Its key is as recorded; primary if the record does not tell.

    Raises Refused as read_secret does.
    """
    state = read_secret(secret, where, key, gateway)
    token = read_token(secret, state.key)
    if token is None or token.fingerprint != fingerprint:
        return None
    signer = _recorded_key(state.record, fingerprint) or Key.PRIMARY
    return IssuedToken(token.value, signer, fingerprint, token.expires_at)


def _recorded_key(record: Record | None, fingerprint: str) -> Key | None:
    tokens = [record.decision.token] if record else []
    tokens += [record.previous.token] if record and record.previous else []
    return next((token.key for token in tokens if token.fingerprint == fingerprint and token.key), None)


def write_value(token: str, *, prefixed: bool) -> str:
    """Return a bare token as a Secret's data holds it."""
    return b64encode(f"{PREFIX if prefixed else ''}{token}".encode()).decode()


def encode_location(key: str, *, prefixed: bool) -> Annotations:
    """Return the annotations with the token's key and form."""
    return {KEY: key, BARE: None if prefixed else "true"}


def has_token_in_last_applied(last_applied: str) -> bool:
    """Whether the manifest that `kubectl apply` keeps in an annotation holds a token."""
    if not last_applied:
        return False
    try:
        values = (json.loads(last_applied).get("data") or {}).values()
        encoded = any(isinstance(value, str) and holds_token(value) for value in values)
    except (ValueError, AttributeError, RecursionError):
        encoded = False
    return encoded or _TOKEN.search(last_applied) is not None


def _read_value(
    encoded: str, where: str, gateway: str, record: Record | None
) -> tuple[str | None, datetime | None, bool]:
    """Return fingerprint, expiry and form of the value in place."""
    try:
        text = b64decode(encoded).decode().strip()
    except ValueError:
        text = encoded
    bare = text.removeprefix(PREFIX.strip()).strip()
    if not bare or _PLACEHOLDER.fullmatch(bare):
        return None, None, True
    try:
        token = parse_token(text)
    except MalformedTokenError:
        if record:
            return fingerprint(text), None, True
        raise Refused(
            f"{where} holds a value that is not a gateway token",
            "If it may be replaced, delete that key's value; else name the right Secret and key.",
        ) from None
    if token.gateway.lower() == gateway.lower():
        return token.fingerprint, token.expires_at, token.prefixed
    if record and token.fingerprint != record.decision.token.fingerprint:
        return token.fingerprint, None, token.prefixed  # it replaced the rotator's token: drift
    raise Refused(
        f"{where} holds a token of gateway {token.gateway}, not of {gateway}",
        "Name the right Secret for this gateway, or delete that key's value if it may be replaced.",
    )
