"""What a Secret says: whose token it holds, what we wrote beside it, and whether we may touch it."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import datetime

from rotator.core.access_token import PREFIX, MalformedTokenError, TokenText, fingerprint, parse_token
from rotator.core.observation import Request
from rotator.core.records import Record
from rotator.errors import Refused
from rotator.kube.client.responses import Json
from rotator.kube.targets.annotations import PREFIX as OURS
from rotator.kube.targets.annotations import Annotations, decode_record, decode_request
from rotator.kube.targets.secret_format import find_key, holds_token

KEY, BARE = OURS + "secret-key", OURS + "bare"
"""Where and in which form the token is: for when somebody takes it out, and the data does not tell."""
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_PLACEHOLDER = re.compile(r"<[^<>&]*>")
_TOKEN = re.compile(r"[^\s\"'&]&[0-9]{12}&[A-Za-z0-9+/=]{32}")
"""The name's last letter is enough: to look for all of it would cost quadratic time."""


@dataclass(frozen=True, slots=True)
class Contents:
    """A Secret without its values. fingerprint None: nothing is in place yet.

    expires_at None: what is in place is no token of this gateway. leaks: the annotation that
    `kubectl apply` leaves behind holds a token in the clear.
    """

    key: str
    fingerprint: str | None
    expires_at: datetime | None
    prefixed: bool
    record: Record | None
    request: Request | None
    version: str
    uid: str
    leaks: bool


def read_contents(secret: Json, where: str, key: str | None, gateway: str) -> Contents:
    """Return what the Secret says about the token of gateway (the last segment of its ARM id).

    Raises:
        Refused: it cannot be used, or holds something that is not ours to replace.
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
    mark, expires_at, prefixed = _value(data.get(key, ""), f"{where}, key {key}", gateway, record)
    if record and noted and mark != record.decision.token.fingerprint:
        prefixed = BARE not in annotations  # what a stranger put there shows no form of ours
    return Contents(
        key,
        mark,
        expires_at,
        prefixed,
        record,
        decode_request(annotations, where),
        meta["resourceVersion"],
        meta.get("uid", ""),
        leaks(annotations.get(LAST_APPLIED, "")),
    )


def read_token(secret: Json, key: str) -> TokenText | None:
    """Return the token under key, with its value, if there is one."""
    try:
        return parse_token(b64decode((secret.get("data") or {}).get(key, "")).decode())
    except (MalformedTokenError, ValueError):
        return None


def write_value(token: str, *, prefixed: bool) -> str:
    """Return what stands in a Secret's data for a bare token."""
    return b64encode(f"{PREFIX if prefixed else ''}{token}".encode()).decode()


def note_place(key: str, *, prefixed: bool) -> Annotations:
    """Return the annotations that say where the token is, and in which form."""
    return {KEY: key, BARE: None if prefixed else "true"}


def leaks(last_applied: str) -> bool:
    """Whether the text that `kubectl apply` keeps of a manifest holds a token."""
    if not last_applied:
        return False
    try:
        values = (json.loads(last_applied).get("data") or {}).values()
        encoded = any(isinstance(value, str) and holds_token(value) for value in values)
    except (ValueError, AttributeError, RecursionError):
        encoded = False
    return encoded or _TOKEN.search(last_applied) is not None


def _value(
    encoded: str, where: str, gateway: str, record: Record | None
) -> tuple[str | None, datetime | None, bool]:
    """Return fingerprint, expiry and form of what is in place."""
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
            f"{where} holds something that is no gateway token",
            "If it may be replaced, delete that key's value; else name the right Secret and key.",
        ) from None
    if token.gateway.lower() == gateway.lower():
        return token.fingerprint, token.expires_at, token.prefixed
    if record and token.fingerprint != record.decision.token.fingerprint:
        return token.fingerprint, None, token.prefixed  # put over ours: a drift like any other
    raise Refused(
        f"{where} holds a token of gateway {token.gateway}, not of {gateway}",
        "Name the right Secret for this gateway, or delete that key's value if it may be replaced.",
    )
