from __future__ import annotations

from datetime import UTC, datetime

import pytest
from azure.eventgrid import SystemEventNames

from rotator.config import ResourceId
from rotator.eventgrid.delivery import (
    Events,
    Handshake,
    Ignored,
    Kind,
    Notice,
    Rejected,
    TokenEvent,
    parse_delivery,
)
from tests.eventgrid.builders import (
    CLOUD,
    EXPIRED,
    GRID,
    NEAR,
    RESOURCE,
    SERVICE,
    body,
    cloud,
    data,
    grid,
    validation,
)

EXPIRY = datetime(2025, 2, 25, 8, 56, tzinfo=UTC)


def only(delivery: object) -> TokenEvent:
    assert isinstance(delivery, Events)
    (event,) = delivery.events
    assert isinstance(event, TokenEvent), event
    return event


def parsed(event: object, headers: dict[str, str] = CLOUD) -> TokenEvent:
    return only(parse_delivery(headers, body(event)))


def rejected(headers: dict[str, str], raw: bytes) -> int:
    with pytest.raises(Rejected) as refusal:
        parse_delivery(headers, raw)
    return refusal.value.status


def test_a_cloud_event_of_the_documentation_says_everything() -> None:
    assert parsed(cloud()) == TokenEvent(
        Kind.NEAR_EXPIRY,
        RESOURCE,
        "oslo",
        EXPIRY,
        "pod-1",
        "92c502f2",
        datetime(2021, 7, 2, 0, 47, 47, 853653, tzinfo=UTC),
    )


def test_both_schemas_say_the_same() -> None:
    assert parsed([grid()], GRID) == parsed(cloud()) == parsed([cloud()])


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (SystemEventNames.ApiManagementGatewayTokenNearExpiryEventName.value, Kind.NEAR_EXPIRY),
        (SystemEventNames.ApiManagementGatewayTokenExpiredEventName.value, Kind.EXPIRED),
        ("Microsoft.ApiManagement.Gateway.TokenNearExpiry", Kind.NEAR_EXPIRY),
        ("microsoft.apimanagement.gateway.TOKENEXPIRED", Kind.EXPIRED),
    ],
)
def test_the_sdks_names_and_the_announced_ones_are_known(name: str, kind: Kind) -> None:
    assert parsed(cloud(type=name)).kind is kind


@pytest.mark.parametrize(
    "gateway",
    [
        "OSLO",
        "/gateways/oslo",
        f"{SERVICE}/gateways/Oslo",
        f"{SERVICE}/gateway/Oslo",
        f"{SERVICE}/gateway/oslo/".replace("providers/", ""),
        None,
    ],
)
def test_the_gateway_is_found_however_it_is_written(gateway: str | None) -> None:
    assert parsed(cloud(data=data(gateway))).resource == RESOURCE


def test_a_gateway_with_a_full_id_needs_no_source() -> None:
    assert parsed(cloud(source="/my/topic", data=data(f"{SERVICE}/gateways/oslo"))).resource == RESOURCE


def test_the_normal_form_is_the_configurations() -> None:
    written = f"{SERVICE}/gateways/Oslo"
    assert parsed(cloud(data=data(written))).resource == ResourceId.parse(written).key == RESOURCE


@pytest.mark.parametrize("sort", [NEAR, EXPIRED])
@pytest.mark.parametrize("name", ["expiresAtUtc", "expiredAtUtc", "ExpiresAtUtc"])
@pytest.mark.parametrize(
    "written",
    [
        "2025-02-25T08:56:00.0000000Z",
        "2025-02-25T08:56:59.9999999Z",
        "2025-02-25T08:56:07",
        "2025-02-25T09:56:00+01:00",
    ],
)
def test_the_expiry_counts_to_the_minute_in_utc(sort: str, name: str, written: str) -> None:
    assert parsed(cloud(type=sort, data=data(**{name: written}))).expires_at == EXPIRY


def test_an_event_without_an_expiry_says_none() -> None:
    event = cloud(data={"gatewayInfo": {"gatewayId": "oslo"}})
    assert (parsed(event).expires_at, parsed(event).instance) == (None, "pod-1")


def test_the_envelope_may_be_written_in_any_casing() -> None:
    shouted = {name.upper(): value for name, value in cloud().items()}
    assert parsed(shouted) == parsed(cloud())


def test_an_unknown_type_is_no_error() -> None:
    delivery = parse_delivery(CLOUD, body(cloud(type="Microsoft.ApiManagement.GatewayCreated")))
    assert isinstance(delivery, Events)
    (event,) = delivery.events
    assert isinstance(event, Ignored)
    assert not event.invalid


@pytest.mark.parametrize(
    "broken",
    [
        7,
        {},
        {"type": 5},
        cloud(source="/elsewhere"),
        cloud(data=data("a/b")),
        cloud(data=data(None), subject=""),
        cloud(data=data(expiresAtUtc="soon")),
        cloud(data=data(expiresAtUtc="0001-01-01T00:00:00+14:00")),
    ],
)
def test_a_broken_event_does_not_lose_the_others_but_alone_is_refused(broken: object) -> None:
    delivery = parse_delivery(CLOUD, body([broken, cloud()]))
    assert isinstance(delivery, Events)
    assert isinstance(delivery.events[0], Ignored)
    assert delivery.events[0].invalid
    assert isinstance(delivery.events[1], TokenEvent)
    assert rejected(CLOUD, body([broken])) == 400


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"x"',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"type": "Some.Thing", "data": NaN}',
        b'{"type": "Some.Thing", "data": -Infinity}',
        b'{"type": ' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_no_event_is_refused_for_good(raw: bytes) -> None:
    assert rejected(CLOUD, raw) == 400


@pytest.mark.parametrize("sort", ["", "text/plain", "application/xml", "application/json; charset=utf-16"])
def test_another_content_type_is_refused_in_a_way_that_is_retried(sort: str) -> None:
    assert rejected({"content-type": sort}, body(cloud())) == 415


def test_a_batch_has_at_most_5000_events() -> None:
    full = parse_delivery(CLOUD, body([cloud()] * 5000))
    assert isinstance(full, Events)
    assert len(full.events) == 5000
    assert rejected(CLOUD, body([cloud()] * 5001)) == 413


def test_a_validation_event_is_a_handshake_with_or_without_its_header() -> None:
    announced = GRID | {"aeg-event-type": "SubscriptionValidation"}
    assert parse_delivery(announced, body([validation("X1")])) == Handshake("X1")
    assert parse_delivery(GRID, body([validation("X1")])) == Handshake("X1")
    assert SystemEventNames.EventGridSubscriptionValidationEventName.value == validation()["eventType"]


@pytest.mark.parametrize(
    "said", [{}, {"validationCode": 5}, {"validationCode": "a\r\nb"}, {"validationCode": "\ud800"}]
)
def test_a_validation_without_a_proper_code_is_refused(said: dict[str, object]) -> None:
    assert rejected(GRID, body([validation() | {"data": said}])) == 400


def test_the_end_of_a_subscription_is_noticed() -> None:
    gone = grid(
        eventType=SystemEventNames.EventGridSubscriptionDeletedEventName.value,
        data={"eventSubscriptionId": "/a/eventSubscriptions/x"},
    )
    assert parse_delivery(GRID, body([gone])) == Notice("SubscriptionDeletion", "/a/eventSubscriptions/x")
