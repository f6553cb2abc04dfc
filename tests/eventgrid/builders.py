"""Events as Azure sends them, to be bent by a test."""

from __future__ import annotations

import json
from typing import Any

SERVICE = (
    "/subscriptions/0000000A-0000-4000-8000-000000000001/resourceGroups/Apim"
    "/providers/Microsoft.ApiManagement/service/Contoso"
)
RESOURCE = f"{SERVICE}/gateways/oslo".lower()
NEAR = "Microsoft.ApiManagement.GatewayTokenNearExpiry"
EXPIRED = "Microsoft.ApiManagement.GatewayTokenExpired"
CLOUD = {"content-type": "application/cloudevents+json; charset=utf-8", "aeg-event-type": "Notification"}
GRID = {"Content-Type": "application/json", "aeg-event-type": "Notification"}


def cloud(**changes: Any) -> dict[str, Any]:
    return {
        "source": SERVICE,
        "subject": "/gateways/oslo/pod-1",
        "type": NEAR,
        "time": "2021-07-02T00:47:47.8536532Z",
        "id": "92c502f2",
        "data": data(),
        "specVersion": "1.0",
    } | changes


def grid(**changes: Any) -> dict[str, Any]:
    return {
        "topic": SERVICE,
        "subject": "/gateways/oslo/pod-1",
        "eventType": NEAR,
        "eventTime": "2021-07-02T00:47:47.8536532Z",
        "id": "92c502f2",
        "data": data(),
        "dataVersion": "1",
        "metadataVersion": "1",
    } | changes


def data(gateway: str | None = "oslo", **token: Any) -> dict[str, Any]:
    info = {"gatewayId": gateway, "instanceId": "pod-1"}
    return {"gatewayInfo": info, "tokenInfo": token or {"expiresAtUtc": "2025-02-25T08:56:00.0000000Z"}}


def validation(code: str = "C0DE") -> dict[str, Any]:
    said = {"validationCode": code, "validationUrl": "http://127.0.0.1:1/validate"}
    return grid(eventType="Microsoft.EventGrid.SubscriptionValidationEvent", data=said)


def body(value: object) -> bytes:
    return json.dumps(value).encode()
