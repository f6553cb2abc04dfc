"""How Event Grid talks to a webhook: the two handshakes, the deliveries, and when it tries again."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import aiohttp

from sandbox.azure.events import Json, Schema, timestamp
from sandbox.azure.keys import utc_now

ORIGIN = "eventgrid.azure.net"
TIMEOUT_SECONDS = 30.0
SUCCESS = frozenset({200, 201, 202, 203, 204})
NEVER_RETRIED = frozenset({400, 401, 403, 413})
MINUTE, HOUR = 60, 3600
RETRIES = (10, 30, MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR)
LONGEST = 24 * HOUR
MOST_ATTEMPTS = 30


class HandshakeError(Exception):
    """The endpoint did not prove that it wants events; the message says what its answer lacked."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A webhook's wish for events. `batch`: most events in one delivery.

    `headers` are its delivery properties; whether the handshake carries them is not documented:
    `open_handshake` leaves them out. `bearer` makes the token of a secure webhook, anew for each request.
    """

    name: str
    endpoint: str = field(repr=False)  # its query string may hold a secret
    schema: Schema
    batch: int
    topic: str
    headers: dict[str, str] = field(repr=False)
    bearer: Callable[[], str] | None = field(default=None, repr=False)
    open_handshake: bool = False

    def proof(self, *, handshake: bool) -> dict[str, str]:
        """The headers by which a request proves who sends it."""
        own = {} if handshake and self.open_handshake else dict(self.headers)
        return own | ({"Authorization": f"Bearer {self.bearer()}"} if self.bearer else {})


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event in one attempt (from 1); status 0: no answer."""

    event_id: str
    attempt: int
    status: int
    at: datetime
    subscription: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a webhook said; status 0: nothing."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)


def waits(attempt: int, waited: float) -> float | None:
    """Seconds between the given failed attempt (from 1) and the next; None: give up.

    `waited` is how long the event has been tried. "Event Grid message delivery and retry": 10 s to 12 h, at
    most 24 hours and 30 attempts.
    """
    wait = RETRIES[min(attempt, len(RETRIES)) - 1]
    return None if attempt >= MOST_ATTEMPTS or waited + wait > LONGEST else wait


async def shake_hands(session: aiohttp.ClientSession, to: Subscription, validation_url: str) -> None:
    """Ask the endpoint to prove itself, as its schema wants. Raises HandshakeError."""
    if to.schema == "eventgrid":
        await _validation_event(session, to, validation_url)
    else:
        await _abuse_protection(session, to, validation_url)


async def _validation_event(session: aiohttp.ClientSession, to: Subscription, url: str) -> None:
    code = str(uuid.uuid4()).upper()
    event = system_event(to, "SubscriptionValidation", {"validationCode": code, "validationUrl": url})
    answer = await send(session, to, [event], kind="SubscriptionValidation")
    if answer.status != 200:
        raise HandshakeError(f"the validation event was answered with {answer.status or 'nothing'}, not 200")
    try:
        body = json.loads(answer.body)
    except ValueError:
        raise HandshakeError("the answer to the validation event is not JSON") from None
    if not isinstance(body, dict) or body.get("validationResponse") != code:
        raise HandshakeError("the answer does not hold the validationCode as validationResponse")


async def _abuse_protection(session: aiohttp.ClientSession, to: Subscription, url: str) -> None:
    asked = {
        "WebHook-Request-Origin": ORIGIN,
        "WebHook-Request-Rate": "120",
        "WebHook-Request-Callback": url,
    }
    answer = await _request(session, "OPTIONS", to, headers=asked)
    if answer.status != 200:
        raise HandshakeError(f"OPTIONS was answered with {answer.status or 'nothing'}, not 200")
    if answer.headers.get("webhook-allowed-origin") not in (ORIGIN, "*"):
        raise HandshakeError(f"OPTIONS was answered without WebHook-Allowed-Origin: {ORIGIN}")
    if not answer.headers.get("webhook-allowed-rate"):
        raise HandshakeError("OPTIONS was answered without WebHook-Allowed-Rate")
    if "POST" not in answer.headers.get("allow", "POST"):
        raise HandshakeError("OPTIONS was answered with an Allow header that lacks POST")


async def send(
    session: aiohttp.ClientSession, to: Subscription, events: list[Json], *, kind: str, attempt: int = 1
) -> Answer:
    """One POST: an array, or one object for a single CloudEvent that may not be batched."""
    headers = {
        "aeg-event-type": kind,
        "aeg-subscription-name": to.name.upper(),
        "aeg-delivery-count": str(attempt - 1),
        "aeg-metadata-version": "1",
        "aeg-data-version": str(events[0].get("dataVersion", "")),
    }
    body: Json | list[Json] = events
    if to.schema == "eventgrid":
        content_type = "application/json; charset=utf-8"
    else:
        headers["WebHook-Request-Origin"] = ORIGIN
        content_type = "application/cloudevents-batch+json; charset=utf-8"
        if to.batch == 1:
            body, content_type = events[0], "application/cloudevents+json; charset=utf-8"
    headers["Content-Type"] = content_type
    return await _request(session, "POST", to, headers=headers, data=json.dumps(body).encode())


async def _request(
    session: aiohttp.ClientSession,
    method: str,
    to: Subscription,
    *,
    headers: dict[str, str],
    **more: Any,
) -> Answer:
    handshake = method == "OPTIONS" or headers.get("aeg-event-type") == "SubscriptionValidation"
    try:
        async with (
            asyncio.timeout(TIMEOUT_SECONDS),
            session.request(
                method,
                to.endpoint,
                headers=headers | to.proof(handshake=handshake),
                allow_redirects=False,
                **more,
            ) as response,
        ):
            names = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, names, await response.read())
    except (aiohttp.ClientError, OSError):  # TimeoutError is an OSError
        return Answer(0)


def system_event(to: Subscription, kind: str, data: Json) -> Json:
    """An event of Event Grid itself: SubscriptionValidation or SubscriptionDeletion."""
    name = {"SubscriptionDeletion": "SubscriptionDeletedEvent"}.get(kind, f"{kind}Event")
    return {
        "id": str(uuid.uuid4()),
        "topic": to.topic,
        "subject": "",
        "data": data,
        "eventType": f"Microsoft.EventGrid.{name}",
        "eventTime": timestamp(utc_now()),
        "metadataVersion": "1",
        "dataVersion": "2",
    }
