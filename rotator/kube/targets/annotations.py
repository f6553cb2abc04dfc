"""Records and requests as annotations of a Secret, one fact each, and back again."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime

from rotator.core.observation import Request
from rotator.core.records import Decision, Key, Proven, Record, Token
from rotator.kube.client.responses import Json

PREFIX = "apim-token-rotator/"
MAX_REQUESTER_LENGTH = 200
"""Characters that are kept of the text that names who requested a rotation."""
FIRST_YEAR, LAST_YEAR = 1970, 9000
"""Years between which a time has to be, so that a duration can be added to it."""
_REQUEST = ("requested-at", "requested-by", "leak")
_RECORD = (
    "revision",
    "key",
    "expires-at",
    "fingerprint",
    "issued-at",
    "mark",
    "adopted",
    "condemned",
    "failures",
    "retry-at",
    "verified-at",
    "disturbed-at",
    "witnesses",
    "previous",
)
_FINGERPRINT = re.compile(r"[0-9a-f]{12}")
_COUNT = re.compile(r"[0-9]{1,9}")
_log = logging.getLogger("rotator.kube")

Annotations = dict[str, str | None]
"""None deletes the annotation."""


def encode_record(record: Record) -> Annotations:
    """Return every annotation of a record; None for a fact that the record does not have."""
    decision, token = record.decision, record.decision.token
    facts: Annotations = {
        "revision": str(decision.revision),
        "key": token.key,
        "expires-at": write_time(token.expires_at),
        "fingerprint": token.fingerprint,
        "issued-at": write_time(token.issued_at),
        "mark": token.template_token,
        "adopted": "true" if token.adopted else None,
        "condemned": ",".join(sorted(decision.condemned)) or None,
        "failures": str(decision.failures) if decision.failures else None,
        "retry-at": _write_optional(decision.retry_at),
        "verified-at": _write_optional(record.verified_at),
        "disturbed-at": _write_optional(record.restored_at),
        "witnesses": _write_names(record.verified_pods),
        "previous": _write_previous(record.previous) if record.previous else None,
    }
    return {PREFIX + fact: facts[fact] for fact in _RECORD}


def decode_record(annotations: Mapping[str, str], where: str) -> Record | None:
    """Return what encode_record wrote; None if there is no record, or if it cannot be read.

    A warning names the annotations that cannot be read. where: the object, for the warning.
    """
    facts = _ours(annotations, _RECORD)
    if not facts:
        return None
    try:
        return Record(
            Decision(
                _count(facts["revision"]),
                _token(facts),
                frozenset(Key(k) for k in facts.get("condemned", "").split(",") if k),
                _count(facts.get("failures", "0")),
                _read_optional(facts.get("retry-at")),
            ),
            _read_optional(facts.get("disturbed-at")),
            _read_optional(facts.get("verified-at")),
            _read_previous(facts["previous"]) if "previous" in facts else None,
            _read_names(facts.get("witnesses")),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        names = ", ".join(sorted(PREFIX + fact for fact in facts))
        _log.warning(
            "%s: another writer spoilt the rotator's annotations (%s); the rotator ignores them", where, names
        )
        return None


def encode_request(request: Request) -> Annotations:
    """Return the annotations of a request."""
    facts: Annotations = {
        "requested-at": write_time(request.at),
        "requested-by": request.by[:MAX_REQUESTER_LENGTH] or None,
        "leak": "true" if request.leak else None,
    }
    return {PREFIX + fact: facts[fact] for fact in _REQUEST}


def decode_request(annotations: Mapping[str, str], where: str) -> Request | None:
    """Return the request that is noted, if there is one that can be read."""
    facts = _ours(annotations, _REQUEST)
    if "requested-at" not in facts:
        return None
    try:
        at = read_time(facts["requested-at"])
    except ValueError:
        _log.warning("%s: %srequested-at is not a time; the rotator ignores the request", where, PREFIX)
        return None
    return Request(at, facts.get("leak") == "true", facts.get("requested-by", ""))


def write_time(at: datetime) -> str:
    """Return ISO 8601 in UTC, always with microseconds: stamps are compared."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def read_time(text: str) -> datetime:
    """Return the time, UTC. Raises ValueError, also for a time without a zone, and for one before
    FIRST_YEAR or from LAST_YEAR on.
    """
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time without a zone")
    try:
        at = at.astimezone(UTC)
    except OverflowError:  # at the ends of the calendar
        raise ValueError("a year out of range") from None
    if not FIRST_YEAR <= at.year < LAST_YEAR:
        raise ValueError("a year out of range")
    return at


def _ours(annotations: Mapping[str, str], names: tuple[str, ...]) -> dict[str, str]:
    return {name: annotations[PREFIX + name] for name in names if PREFIX + name in annotations}


def _token(facts: Mapping[str, str]) -> Token:
    if "mark" not in facts and facts.get("adopted") != "true":
        raise ValueError("only an adopted token has no template token")
    return Token(
        _fingerprint(facts["fingerprint"]),
        Key(facts["key"]) if "key" in facts else None,
        read_time(facts["issued-at"]),
        read_time(facts["expires-at"]),
        facts.get("mark"),
        facts.get("adopted") == "true",
    )


def _count(text: str) -> int:
    if not _COUNT.fullmatch(text):
        raise ValueError("not a count")
    return int(text)


def _fingerprint(text: str) -> str:
    if not _FINGERPRINT.fullmatch(text):
        raise ValueError("not a fingerprint")
    return text


def _write_previous(previous: Proven) -> str:
    token = previous.token
    facts: Json = {
        "fingerprint": token.fingerprint,
        "key": token.key,
        "issued-at": write_time(token.issued_at),
        "expires-at": write_time(token.expires_at),
        "mark": token.template_token,
        "adopted": "true" if token.adopted else None,
        "verified-at": _write_optional(previous.verified_at),
        "witnesses": _write_names(previous.verified_pods),
    }
    return json.dumps(
        {fact: value for fact, value in facts.items() if value is not None}, separators=(",", ":")
    )


def _read_previous(text: str) -> Proven:
    facts = json.loads(text)
    if not all(isinstance(value, str) for value in facts.values()):
        raise ValueError("a fact is not a text")
    return Proven(
        _token(facts), _read_optional(facts.get("verified-at")), _read_names(facts.get("witnesses"))
    )


def _write_names(names: frozenset[str]) -> str | None:
    return ",".join(sorted(names)) or None


def _read_names(text: str | None) -> frozenset[str]:
    return frozenset(name for name in (text or "").split(",") if name)


def _write_optional(at: datetime | None) -> str | None:
    return write_time(at) if at else None


def _read_optional(text: str | None) -> datetime | None:
    return read_time(text) if text is not None else None
