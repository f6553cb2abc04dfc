from __future__ import annotations

from datetime import UTC, datetime

import pytest
from azure.core.messaging import CloudEvent
from azure.eventgrid import EventGridEvent, SystemEventNames

from sandbox.azure.events import EXPIRED, NEAR_EXPIRY, expired, in_schema, near_expiry

EXPIRY = datetime(2025, 2, 25, 8, 56, tzinfo=UTC)


def test_the_kinds_are_those_of_the_sdk():
    names = {name.value for name in SystemEventNames}
    assert {NEAR_EXPIRY, EXPIRED} <= names


def test_the_cloud_event_is_the_documented_one(oslo):
    event = near_expiry(oslo, EXPIRY, "pod-1", schema="cloudevents")
    assert event.pop("id")
    assert len(event.pop("time")) == len("2021-07-02T00:47:47.8536532Z")
    assert event == {
        "source": oslo.service_id,
        "subject": "/gateways/oslo/pod-1",
        "type": "Microsoft.ApiManagement.GatewayTokenNearExpiry",
        "data": {
            "gatewayInfo": {"gatewayId": "oslo", "instanceId": "pod-1"},
            "tokenInfo": {"expiresAtUtc": "2025-02-25T08:56:00.0000000Z"},
        },
        "specVersion": "1.0",
    }


def test_casings_are_the_standard_s_or_capitals(oslo):
    assert CloudEvent.from_dict(near_expiry(oslo, EXPIRY, schema="cloudevents", casing="lower"))
    assert {"Id", "Type", "Time", "SpecVersion"} <= set(
        near_expiry(oslo, EXPIRY, schema="cloudevents", casing="upper")
    )


def test_the_event_grid_form_is_understood_by_the_sdk(oslo):
    event = EventGridEvent.from_dict(expired(oslo, EXPIRY))
    assert event.event_type == EXPIRED
    assert event.data["tokenInfo"] == {"expiredAtUtc": "2025-02-25T08:56:00.0000000Z"}
    assert event.topic == oslo.service_id


def test_the_variants_that_were_seen_can_be_made(oslo):
    event = expired(oslo, EXPIRY, field="expiresAtUtc", gateway_id=oslo.resource_id)
    assert list(event["data"]["tokenInfo"]) == ["expiresAtUtc"]
    assert event["data"]["gatewayInfo"]["gatewayId"] == oslo.resource_id


@pytest.mark.parametrize("casing", ["documented", "lower", "upper"])
def test_schemas_convert_into_each_other_without_loss(oslo, casing):
    cloud = near_expiry(oslo, EXPIRY, schema="cloudevents", casing=casing)
    grid = in_schema(cloud, "eventgrid")
    back = in_schema(grid, "cloudevents")
    assert {name.lower(): value for name, value in cloud.items()} == {
        name.lower(): value for name, value in back.items()
    }
    assert grid["eventType"] == NEAR_EXPIRY
