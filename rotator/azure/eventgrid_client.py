"""Fetches events from one subscription of an Event Grid namespace topic, and settles their locks.

Contract: "Event Grid namespace data plane", api-version 2024-06-01, and "Pull delivery overview".
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import TypeVar

from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError, DecodeError, HttpResponseError
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.eventgrid.aio import EventGridConsumerClient
from azure.eventgrid.models import AcknowledgeResult, RejectResult, ReleaseResult, RenewLocksResult

from rotator import __version__
from rotator.azure.errors import connection_problem, retry_after
from rotator.config.schema.pull import PullSettings
from rotator.errors import Refused, RotatorError, Unavailable
from rotator.ports import FetchedEvent

API_VERSION = "2024-06-01"
CALL_TIMEOUT = timedelta(seconds=30)
"""For one call, beyond the time that Event Grid is asked to wait for events."""

T = TypeVar("T")
Transport = AsyncHttpTransport[HttpRequest, AsyncHttpResponse]
Credentials = Callable[[], AsyncTokenCredential]
Settled = AcknowledgeResult | RejectResult | ReleaseResult | RenewLocksResult


class EventGridClient:
    """Implements the port EventQueue. The SDK never retries. The caller closes transport and what
    credentials() returns.

    The SDK's own `receive` raises ValueError for the whole batch if one envelope is written as Microsoft's
    documentation writes it (`specVersion`, azure-eventgrid 4.22.1): the answer is read as it comes.
    """

    def __init__(
        self,
        settings: PullSettings,
        credentials: Credentials,
        transport: Transport,
        within: timedelta = CALL_TIMEOUT,
    ) -> None:
        self._settings = settings
        self._credentials = credentials
        self._transport = transport
        self._within = within
        self._client = self._connected()

    async def receive(self, most: int, wait: timedelta) -> list[FetchedEvent]:
        s = self._settings
        request = HttpRequest(
            "POST",
            f"/topics/{s.topic}/eventsubscriptions/{s.subscription}:receive",
            params={
                "api-version": API_VERSION,
                "maxEvents": most,
                "maxWaitTime": round(wait.total_seconds()),
            },
        )
        return await self._ask("hand out events", self._received(request), wait + self._within)

    async def acknowledge(self, locks: Sequence[str]) -> int:
        return await self._settle("take acknowledgements", self._client.acknowledge(lock_tokens=[*locks]))

    async def reject(self, locks: Sequence[str]) -> int:
        return await self._settle("take events back for good", self._client.reject(lock_tokens=[*locks]))

    async def release(self, locks: Sequence[str], delay: timedelta) -> int:
        # The values of the SDK's enumeration are texts; a number is sent as it is.
        call = self._client.release(lock_tokens=[*locks], release_delay=round(delay.total_seconds()))
        return await self._settle("take events back for a while", call)

    async def renew(self, locks: Sequence[str]) -> int:
        return await self._settle("renew locks", self._client.renew_locks(lock_tokens=[*locks]))

    def _connected(self) -> EventGridConsumerClient:
        return EventGridConsumerClient(
            self._settings.endpoint,
            self._credentials(),
            namespace_topic=self._settings.topic,
            subscription=self._settings.subscription,
            transport=self._transport,
            retry_total=0,
            credential_scopes=[f"{self._settings.audience}/.default"],
            user_agent=f"apim-token-rotator/{__version__}",
        )

    async def _received(self, request: HttpRequest) -> list[FetchedEvent]:
        response = await self._client.send_request(request)
        response.raise_for_status()
        body = response.json()
        items = body.get("value") if isinstance(body, dict) else None
        if not isinstance(items, list):
            raise DecodeError("no list of events")
        return [fetched for item in items if (fetched := _fetched(item))]

    async def _settle(self, what: str, call: Awaitable[Settled]) -> int:
        return len((await self._ask(what, call, self._within)).failed_lock_tokens or ())

    async def _ask(self, what: str, answer: Awaitable[T], within: timedelta) -> T:
        """Await answer. Errors that may quote an answer's body, and with it an event, are not chained."""
        cause: Exception | None = None
        try:
            async with asyncio.timeout(within.total_seconds()):
                return await answer
        except TimeoutError:
            problem: RotatorError = Unavailable(
                f"Event Grid did not {what} within {within.total_seconds():g} s"
            )
        except HttpResponseError as error:
            problem = self._answered(what, error)
        except (ValueError, RecursionError):
            problem = _unreadable(what)
        except (AzureError, OSError) as error:
            problem, cause = Unavailable(f"Event Grid did not {what}: {connection_problem(error)}"), error
        raise problem from cause

    def _answered(self, what: str, error: HttpResponseError) -> RotatorError:
        status = error.status_code or 0
        if status == HTTPStatus.UNAUTHORIZED or isinstance(error, ClientAuthenticationError):
            return self._rejected(what)
        if status < HTTPStatus.BAD_REQUEST:
            return _unreadable(what)
        said = f"Event Grid would not {what} of {self._settings.topic}/{self._settings.subscription}"
        if status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS) or status >= 500:
            return Unavailable(f"{said}: it answered {status}", retry_after(error))
        if status == HTTPStatus.FORBIDDEN:
            return Refused(
                f"{said}: the rotator may not",
                'Grant its identity the role "EventGrid Data Receiver" on the subscription, its topic or the '
                "namespace (a new grant takes some minutes to work), and check the namespace's network rules",
            )
        if status == HTTPStatus.NOT_FOUND:
            return Refused(f"{said}: there is none", "Check endpoint, topic and subscription under [pull]")
        return Refused(
            f"{said}: it answered {status}",
            "Check [pull], and that the subscription's delivery mode is Queue",
        )

    def _rejected(self, what: str) -> Refused:
        # The SDK and its credential would send the same bearer token until it expires.
        self._client = self._connected()
        return Refused(
            f"Event Grid would not {what}: the rotator's own credential was not accepted",
            "Check credential, tenant_id and client_id under [azure], the AZURE_* variables, "
            "and audience under [pull]",
        )


def _fetched(item: object) -> FetchedEvent | None:
    properties = item.get("brokerProperties") if isinstance(item, dict) else None
    if not isinstance(item, dict) or not isinstance(properties, dict):
        return None
    lock, count = properties.get("lockToken"), properties.get("deliveryCount")
    if not isinstance(lock, str) or not lock:
        return None  # without a lock it cannot be settled: Event Grid repeats and then dead-letters it
    return FetchedEvent(lock, count if isinstance(count, int) else 1, item.get("event"))


def _unreadable(what: str) -> Unavailable:
    return Unavailable(
        f"Event Grid did not {what}: the answer is not Event Grid's (is there a proxy in between?)"
    )
