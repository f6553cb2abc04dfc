"""The two events about a gateway's token as Azure publishes them, in both schemas."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Literal

from sandbox.azure.keys import Gateway
from sandbox.common import Json, utc_now

Schema = Literal["eventgrid", "cloudevents"]
Casing = Literal["documented", "lower", "upper"]

NEAR_EXPIRY = "Microsoft.ApiManagement.GatewayTokenNearExpiry"
EXPIRED = "Microsoft.ApiManagement.GatewayTokenExpired"
_CLOUD_NAMES = {"topic": "source", "eventType": "type", "eventTime": "time"}


def near_expiry(gateway: Gateway, expires_at: datetime, instance: str = "gateway-0", **form: str) -> Json:
    """Return the event of an instance (a pod) seven days before its token expires; see `token_event`."""
    return token_event(gateway, NEAR_EXPIRY, expires_at, instance, **form)


def expired(gateway: Gateway, expires_at: datetime, instance: str = "gateway-0", **form: str) -> Json:
    """Return the event of an instance (a pod) with an expired token; see `token_event`."""
    return token_event(gateway, EXPIRED, expires_at, instance, **form)


def token_event(
    gateway: Gateway,
    kind: str,
    expires_at: datetime,
    instance: str,
    *,
    schema: str = "eventgrid",
    casing: str = "documented",
    field: str | None = None,
    gateway_id: str | None = None,
) -> Json:
    """Return one event as "Azure API Management as an Event Grid source" documents it.

    `casing` of a CloudEvents envelope: "documented" has `specVersion`, "lower" is the standard, "upper"
    capitalizes every name. `field` (expiresAtUtc, expiredAtUtc) and `gateway_id` (such as an ARM id) replace
    the documented values.
    """
    documented_field = "expiresAtUtc" if kind == NEAR_EXPIRY else "expiredAtUtc"
    event: Json = {
        "id": str(uuid.uuid4()),
        "topic": gateway.service_id,
        "subject": f"/gateways/{gateway.name}/{instance}",
        "eventType": kind,
        "eventTime": timestamp(utc_now()),
        "data": {
            "gatewayInfo": {"gatewayId": gateway_id or gateway.name, "instanceId": instance},
            "tokenInfo": {field or documented_field: timestamp(expires_at)},
        },
        "dataVersion": "1",
        "metadataVersion": "1",
    }
    if schema == "eventgrid":
        return event
    cloud = as_cloud_event(event)
    if casing == "lower":
        return cloud
    documented = {("specVersion" if name == "specversion" else name): value for name, value in cloud.items()}
    if casing == "upper":
        return {name[0].upper() + name[1:]: value for name, value in documented.items()}
    return documented


def timestamp(at: datetime) -> str:
    """Return the time in UTC with seven decimals, as .NET writes it."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}0Z"


def is_cloud_event(event: Json) -> bool:
    """Whether an event has the CloudEvents envelope, in whatever casing."""
    return any(name.lower() == "specversion" for name in event)


def event_id(event: Json) -> str:
    """Return the id of an event of either schema."""
    return str(event.get("id", event.get("Id", "")))


def in_schema(event: Json, schema: Schema) -> Json:
    """Return the event in this delivery schema; unchanged if it already has it."""
    if is_cloud_event(event):
        return event if schema == "cloudevents" else as_eventgrid_event(event)
    return event if schema == "eventgrid" else as_cloud_event(event)


def as_cloud_event(event: Json) -> Json:
    """Convert an Event Grid event to CloudEvents 1.0."""
    dropped = ("dataVersion", "metadataVersion")
    cloud = {_CLOUD_NAMES.get(name, name): value for name, value in event.items() if name not in dropped}
    return cloud | {"specversion": "1.0"}


def as_eventgrid_event(event: Json) -> Json:
    """Convert a CloudEvent to the Event Grid schema, which Azure does not offer."""
    names = {cloud: name for name, cloud in _CLOUD_NAMES.items()}
    lower = {name.lower(): value for name, value in event.items() if name.lower() != "specversion"}
    return {names.get(name, name): value for name, value in lower.items()} | {
        "dataVersion": "1",
        "metadataVersion": "1",
    }
