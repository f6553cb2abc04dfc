"""Reads one event: which gateway, which token, and what Azure reports about it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

Json = dict[str, Any]

MAX_TEXT_LENGTH = 2048
"""Characters of any text in an event; a longer one counts as missing."""
MAX_NAME_LENGTH = 256
"""Characters of an instance's name or an event's id."""
_ARM_ID = re.compile(
    r"/?subscriptions/(?P<subscription>[^/]+)/resourcegroups/(?P<group>[^/]+)/(?:providers/)?"
    r"microsoft\.apimanagement/service/(?P<service>[^/]+)(?:/gateways?/(?P<gateway>[^/]+))?/?"
)
_SUBJECT = re.compile(r"(?:.*/)?gateways?/(?P<gateway>[^/]+)(?:/(?P<instance>[^/]+))?/?")
_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})?",
    re.IGNORECASE,
)


class Kind(StrEnum):
    """What Azure reports about a token."""

    NEAR_EXPIRY = "NearExpiry"
    EXPIRED = "Expired"


KINDS = {
    "microsoft.apimanagement.gatewaytokennearexpiry": Kind.NEAR_EXPIRY,
    "microsoft.apimanagement.gatewaytokenexpired": Kind.EXPIRED,
    "microsoft.apimanagement.gateway.tokennearexpiry": Kind.NEAR_EXPIRY,
    "microsoft.apimanagement.gateway.tokenexpired": Kind.EXPIRED,
}
"""By lower-case type: as in `azure.eventgrid.SystemEventNames`, and as in Microsoft's announcement."""


EventKey = tuple[Kind, str, datetime | None]


@dataclass(frozen=True, slots=True)
class TokenEvent:
    """What one gateway instance reports about its token.

    resource: the gateway's ARM id as `ResourceId.key` writes it. gateway: its last segment.
    expires_at: UTC, cut to the minute as tokens are; None if the event does not say. instance,
    event_id: empty if the event does not say.
    """

    kind: Kind
    resource: str
    gateway: str
    expires_at: datetime | None
    instance: str
    event_id: str
    time: datetime | None

    @property
    def key(self) -> EventKey:
        """Equal for duplicates: events of one kind about one token; without an expiry, of one time."""
        return self.kind, self.resource, self.expires_at or self.time


@dataclass(frozen=True, slots=True)
class Ignored:
    """An event that the rotator does nothing about. type: as the sender wrote it, so never a metric's label.

    invalid: it should have been a token event, or is not an event.
    """

    type: str
    reason: str
    invalid: bool = False


def read_event(item: object) -> TokenEvent | Ignored:
    """Return what one event of either schema says. Never raises."""
    if not isinstance(item, dict):
        return Ignored("", "it is not an object", invalid=True)
    envelope = lower_names(item)
    name = event_type(envelope)
    if not name:
        return Ignored("", "it has no type", invalid=True)
    kind = KINDS.get(name.lower())
    if kind is None:
        return Ignored(name, "the rotator does nothing about events of this type")
    try:
        return _token_event(kind, envelope)
    except ValueError as e:
        return Ignored(name, str(e), invalid=True)


def lower_names(value: object) -> Json:
    """Return the object with its names in lower case: senders write `specVersion` and `Type` differently."""
    return {k.lower(): v for k, v in value.items()} if isinstance(value, Mapping) else {}


def event_type(envelope: Json) -> str:
    """Return the type of a CloudEvent or Event Grid event with lower-case names; empty if it has none."""
    return text(envelope.get("type")) or text(envelope.get("eventtype"))


def text(value: object, max_length: int = MAX_TEXT_LENGTH) -> str:
    """Return value if it is a printable text that is not too long, else an empty one."""
    return value if isinstance(value, str) and len(value) <= max_length and value.isprintable() else ""


def parse_time(value: object) -> datetime | None:
    """Return an ISO 8601 time in UTC, which is assumed if no zone is given; None if it is not a time.

    .NET writes seven fractional digits; those beyond a microsecond are dropped.
    """
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if not found:
        return None
    time, fraction, zone = found.groups()
    fraction = (fraction or "")[:7]
    zone = "+00:00" if zone is None or zone in "Zz" else zone
    try:
        return datetime.fromisoformat(f"{time}{fraction}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _token_event(kind: Kind, envelope: Json) -> TokenEvent:
    data = lower_names(envelope.get("data"))
    info = lower_names(data.get("gatewayinfo"))
    subject = _SUBJECT.fullmatch(text(envelope.get("subject")).lower())
    resource = _resource(envelope, text(info.get("gatewayid")), subject["gateway"] if subject else "")
    return TokenEvent(
        kind=kind,
        resource=resource,
        gateway=resource.rpartition("/")[2],
        expires_at=_expiry(lower_names(data.get("tokeninfo"))),
        instance=text(info.get("instanceid"), MAX_NAME_LENGTH) or (subject and subject["instance"]) or "",
        event_id=text(envelope.get("id"), MAX_NAME_LENGTH),
        time=parse_time(envelope.get("time")) or parse_time(envelope.get("eventtime")),
    )


def _resource(envelope: Json, gateway_id: str, in_subject: str) -> str:
    """Return the gateway's ARM id: gatewayId if it is one, else the service it came from and a name."""
    whole = _ARM_ID.fullmatch(gateway_id.lower())
    if whole and whole["gateway"]:
        return _joined(whole, whole["gateway"])
    origin = text(envelope.get("source")) or text(envelope.get("topic"))
    service = _ARM_ID.fullmatch(origin.lower())
    if not service:
        raise ValueError("it does not name an API Management service")
    bare = re.sub(r"^/?gateways?/", "", gateway_id.lower()).strip("/")
    name = bare or in_subject or service["gateway"] or ""
    if not name or "/" in name:
        raise ValueError("it does not name a gateway")
    return _joined(service, name)


def _joined(parts: re.Match[str], gateway: str) -> str:
    return (
        f"/subscriptions/{parts['subscription']}/resourcegroups/{parts['group']}"
        f"/providers/microsoft.apimanagement/service/{parts['service']}/gateways/{gateway}"
    )


def _expiry(token_info: Json) -> datetime | None:
    written = token_info.get("expiresatutc") or token_info.get("expiredatutc")
    if written is None:
        return None
    at = parse_time(written)
    if at is None:
        raise ValueError("its expiry is not a time")
    return at.replace(second=0, microsecond=0)
