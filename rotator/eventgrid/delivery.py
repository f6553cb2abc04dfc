"""Reads one delivery of Event Grid: headers and body in, its meaning out. Pure, no I/O.

Contract: https://learn.microsoft.com/azure/event-grid/end-point-validation-event-grid-events-schema
and https://learn.microsoft.com/azure/event-grid/delivery-and-retry.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

from rotator.eventgrid.events import (
    Ignored,
    Json,
    Kind,
    TokenEvent,
    event_type,
    lower_names,
    read_event,
    text,
)

__all__ = [
    "Delivery",
    "Events",
    "Handshake",
    "Ignored",
    "Kind",
    "Notice",
    "Rejected",
    "TokenEvent",
    "parse_delivery",
]

CONTENT_TYPES = frozenset(
    {"application/json", "application/cloudevents+json", "application/cloudevents-batch+json"}
)
MAX_EVENTS = 5_000
"""Events of one delivery. Event Grid's own limit for a batch; it also has one of 1 MB."""
VALIDATION = "microsoft.eventgrid.subscriptionvalidationevent"
DELETION = "microsoft.eventgrid.subscriptiondeletedevent"


class Rejected(Exception):  # noqa: N818 - named by what it is: an answer
    """A delivery that can never succeed. sentence: why, without quoting the delivery.

    Event Grid never retries 400 and 413: right for a body that will be the same at every retry. It retries
    415 for 24 hours: events of a content type that it may introduce some day are not lost meanwhile.
    """

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class Handshake:
    """A subscription asks whether this endpoint wants it: echo code. Its validationUrl is not followed: the
    sender chooses it.
    """

    code: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Event Grid reports something about a subscription, such as that it was deleted."""

    kind: str
    subscription: str


@dataclass(frozen=True, slots=True)
class Events:
    """A batch, in its own order. At least one of them is an event."""

    events: tuple[TokenEvent | Ignored, ...]


Delivery = Handshake | Notice | Events


def parse_delivery(headers: Mapping[str, str], body: bytes) -> Delivery:
    """Return what a delivery of either schema means, one event or many. headers: names in any case.

    Raises:
        Rejected: it can never be accepted; nothing else is raised, whatever is in it.
    """
    named = {name.lower(): value for name, value in headers.items()}
    _check_content_type(named.get("content-type", ""))
    items = _items(body)
    announced = named.get("aeg-event-type", "").lower()
    first = lower_names(items[0]) if len(items) == 1 else {}
    name = event_type(first).lower()
    if announced == "subscriptionvalidation" or name == VALIDATION:
        return _handshake(first)
    if announced == "subscriptiondeletion" or name == DELETION:
        subscription = text(lower_names(first.get("data")).get("eventsubscriptionid"))
        return Notice("SubscriptionDeletion", subscription or text(named.get("aeg-subscription-name")))
    events = tuple(read_event(item) for item in items)
    reasons = {e.reason for e in events if isinstance(e, Ignored) and e.invalid}
    if all(isinstance(e, Ignored) and e.invalid for e in events):
        raise Rejected(
            400, f"nothing in the body is a usable event: {', '.join(sorted(reasons)) or 'it is empty'}"
        )
    return Events(events)


def _check_content_type(value: str) -> None:
    media_type, _, parameters = value.partition(";")
    if media_type.strip().lower() not in CONTENT_TYPES:
        raise Rejected(415, f"the content type must be one of {', '.join(sorted(CONTENT_TYPES))}")
    for parameter in parameters.lower().split(";"):
        name, _, charset = parameter.partition("=")
        if name.strip() == "charset" and charset.strip(' "') not in {"utf-8", "utf8", "us-ascii"}:
            raise Rejected(415, "the charset must be utf-8")


def _items(body: bytes) -> list[object]:
    try:
        found = json.loads(body.decode("utf-8-sig"), parse_constant=_no_number)
    except RecursionError:
        raise Rejected(400, "the body is nested too deeply") from None
    except ValueError:
        raise Rejected(400, "the body is not JSON in UTF-8") from None
    items = found if isinstance(found, list) else [found]
    if len(items) > MAX_EVENTS:
        raise Rejected(413, f"a delivery may hold at most {MAX_EVENTS} events")
    return items


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _handshake(event: Json) -> Handshake:
    code = text(lower_names(event.get("data")).get("validationcode"))
    if not code:
        raise Rejected(400, "a subscription validation must be one event with a validationCode")
    return Handshake(code)
