"""Stands in front of the webhook: authenticates each delivery by its head, before any of its body is read.

Event Grid never retries what was answered 401 or 403: they are for what will be as wrong the next time.
What may pass (keys that cannot be fetched, a file of secrets that cannot be read, clocks that differ) is
answered 503, too many deliveries are answered 429; both are retried.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rotator.eventgrid.auth.authentication import Authenticator, Headers
from rotator.eventgrid.auth.rate_limit import RateLimit, source
from rotator.eventgrid.auth.responses import RefusalLog, refuse
from rotator.eventgrid.auth.result import AuthOutcome, AuthResult
from rotator.eventgrid.webhook import AUTHENTICATED_MARK, OTHER, PATH, CountEvent

DEADLINE_PASSED = "authentication did not end before the deadline"


@dataclass(frozen=True, slots=True)
class Guard:
    """An ASGI application in front of two: deliveries gets what was authenticated, and what is no delivery;
    handshakes gets subscription validations that may come without a credential.
    """

    authenticator: Authenticator
    rate: RateLimit
    count_event: CountEvent
    deliveries: ASGIApp
    handshakes: ASGIApp
    refusals: RefusalLog = field(default_factory=RefusalLog)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse or pass on a delivery. Other methods and paths are passed on without their body: no answer
        depends on it.
        """
        if scope["type"] != "http":
            await self.deliveries(scope, receive, send)
        elif scope["method"] != "POST" or scope["path"] != PATH:
            await self.deliveries(scope, _no_body, send)
        else:
            await self._delivery(scope, receive, send)

    async def _delivery(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            result = await self.authenticator.authenticate(scope["headers"], scope["query_string"])
        except asyncio.CancelledError:
            self._record("undecided", DEADLINE_PASSED)
            raise
        wait = self._wait(scope, result)
        if wait:
            self._record("throttled", "too many deliveries from one address")
            await refuse(429, scope, receive, send, retry_after=wait)
        elif result.outcome is AuthOutcome.AUTHENTICATED:
            await self.deliveries(_marked(scope), receive, send)
        elif result.outcome is AuthOutcome.NO_CREDENTIAL and self._is_open_handshake(scope["headers"]):
            await self.handshakes(_marked(scope), receive, send)
        else:
            await self._refuse(result, scope, receive, send)

    def _wait(self, scope: Scope, result: AuthResult) -> float:
        """Return the seconds that this source has to wait. Unauthenticated requests from an address, such as
        that of a proxy, do not count against authenticated ones from the same address.
        """
        peer = scope["client"][0] if scope.get("client") else ""
        forwarded = [v.decode("latin-1") for name, v in scope["headers"] if name == b"x-forwarded-for"]
        key = source(peer, forwarded, self.authenticator.settings.trusted_proxies)
        return self.rate.take((key, result.outcome is AuthOutcome.AUTHENTICATED))

    def _is_open_handshake(self, headers: Headers) -> bool:
        """Whether this is the handshake of the Event Grid schema, and may come without the secret.

        It is not documented whether Event Grid sends delivery properties with the validation event. So where
        a secret is the only method, an event without a credential is answered. That is harmless: the webhook
        takes a request with this header for a handshake and for nothing else, and only echoes a code that
        the sender knows; it never follows a link. At worst an unauthenticated sender subscribes us to events
        that are then refused for want of the secret. An event with a wrong secret is refused, so that the
        operator who subscribes learns of it at once.
        """
        if self.authenticator.methods.bearer or not self.authenticator.methods.secret:
            return False
        kinds = [value.lower() for name, value in headers if name == b"aeg-event-type"]
        return kinds == [b"subscriptionvalidation"]

    async def _refuse(self, result: AuthResult, scope: Scope, receive: Receive, send: Send) -> None:
        match result.outcome:
            case AuthOutcome.UNDECIDED:
                self._record("undecided", result.reason)
                await refuse(503, scope, receive, send, retry_after=result.retry_after)
            case AuthOutcome.FORBIDDEN:
                self._record("forbidden", result.reason)
                await refuse(403, scope, receive, send)
            case _:
                self._record("unauthenticated", result.reason)
                await refuse(401, scope, receive, send)

    def _record(self, outcome: str, reason: str) -> None:
        self.count_event(OTHER, outcome)
        self.refusals.log(outcome, reason)


def _marked(scope: Scope) -> Scope:
    return {**scope, AUTHENTICATED_MARK: True}


async def _no_body() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}
