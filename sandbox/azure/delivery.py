"""How Event Grid calls a webhook: the two handshakes, the deliveries, and the retry schedule."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import aiohttp

from sandbox.azure.events import Schema, timestamp
from sandbox.common import Json, utc_now

ORIGIN = "eventgrid.azure.net"
REQUEST_TIMEOUT = 30.0
"""Seconds in which a webhook must answer."""
SUCCESS = frozenset({200, 201, 202, 203, 204})
NEVER_RETRIED = frozenset({400, 401, 403, 413})
"""Statuses after which Event Grid gives up at once."""
MINUTE, HOUR = 60, 3600
RETRIES = (10, 30, MINUTE, 5 * MINUTE, 10 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR)
"""Seconds before each further attempt; the last one repeats."""
MAX_RETRY_TIME = 24 * HOUR
"""Seconds for which one event is tried."""
MAX_ATTEMPTS = 30


class HandshakeError(Exception):
    """The endpoint failed validation; the message says what its answer lacked."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A webhook that receives events. `batch`: the maximum number of events in one delivery.

    `headers` are its delivery properties. Whether the handshake carries them is not documented;
    `open_handshake` leaves them out. `bearer` creates the token of a secure webhook for each request.
    """

    name: str
    endpoint: str = field(repr=False)  # its query string may hold a secret
    schema: Schema
    batch: int
    topic: str
    headers: dict[str, str] = field(repr=False)
    bearer: Callable[[], str] | None = field(default=None, repr=False)
    open_handshake: bool = False

    def credentials(self, *, handshake: bool) -> dict[str, str]:
        """Return the headers that authenticate a request."""
        own = {} if handshake and self.open_handshake else dict(self.headers)
        return own | ({"Authorization": f"Bearer {self.bearer()}"} if self.bearer else {})


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt (from 1) to deliver one event; status 0: no answer."""

    event_id: str
    attempt: int
    status: int
    at: datetime
    subscription: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a webhook; status 0: none."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = field(default=b"", repr=False)


def retry_delay(attempt: int, waited: float) -> float | None:
    """Return the seconds between this failed attempt (from 1) and the next; None: give up.

    `waited`: seconds for which the event has been tried. Source of the schedule: "Event Grid message delivery
    and retry".
    """
    delay = RETRIES[min(attempt, len(RETRIES)) - 1]
    return None if attempt >= MAX_ATTEMPTS or waited + delay > MAX_RETRY_TIME else delay


async def shake_hands(session: aiohttp.ClientSession, to: Subscription, validation_url: str) -> None:
    """Validate the endpoint in the way of its schema. Raises HandshakeError."""
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
        raise HandshakeError("the answer does not have the validationCode as validationResponse")


async def _abuse_protection(session: aiohttp.ClientSession, to: Subscription, url: str) -> None:
    headers = {
        "WebHook-Request-Origin": ORIGIN,
        "WebHook-Request-Rate": "120",
        "WebHook-Request-Callback": url,
    }
    answer = await _request(session, "OPTIONS", to, headers=headers)
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
    """Send one POST: an array, or one object where CloudEvents may not be batched."""
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
            asyncio.timeout(REQUEST_TIMEOUT),
            session.request(
                method,
                to.endpoint,
                headers=headers | to.credentials(handshake=handshake),
                allow_redirects=False,
                **more,
            ) as response,
        ):
            names = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, names, await response.read())
    except (aiohttp.ClientError, OSError):  # TimeoutError is an OSError
        return Answer(0)


def system_event(to: Subscription, kind: str, data: Json) -> Json:
    """Return an event of Event Grid itself: SubscriptionValidation or SubscriptionDeletion."""
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
