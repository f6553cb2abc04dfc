"""Who may deliver: decided by the head of a request, before any of its body is read.

Event Grid never repeats what was answered 401 or 403: they are for what will be as wrong the next time.
Whatever may pass (keys that cannot be fetched, a file of secrets that cannot be read, clocks that differ)
is answered 503, too many deliveries are answered 429; both are repeated.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rotator.config.schema.entra import Cloud, expected
from rotator.config.schema.webhook import WebhookSettings
from rotator.diagnostics import exception_details
from rotator.eventgrid.auth.entra import BearerToken
from rotator.eventgrid.auth.jwks import SigningKeys
from rotator.eventgrid.auth.rate_limit import RateLimit, source
from rotator.eventgrid.auth.responses import RefusalLog, refuse
from rotator.eventgrid.auth.result import AUTHENTICATED, AuthOutcome, AuthResult, combine
from rotator.eventgrid.auth.shared_secret import SecretFile, SharedSecret
from rotator.eventgrid.webhook import AUTHENTICATED_MARK, OTHER, PATH, CountEvent

log = logging.getLogger(__name__)

JUDGE_SECONDS = 20.0
"""With the 25 s that the webhook itself takes at most, Event Grid has its answer in time in all likelihood:
only a fetch of signing keys takes any time at all."""
HANDSHAKE_BYTES = 16_384

_Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Methods:
    secret: SharedSecret | None
    bearer: BearerToken | None


@dataclass(frozen=True, slots=True)
class Authenticator:
    """The door of the webhook. Made by `open_authenticator`."""

    settings: WebhookSettings
    count_event: CountEvent
    methods: Methods
    rate: RateLimit
    refusals: RefusalLog = field(default_factory=RefusalLog)

    def guard(self, app: ASGIApp) -> ASGIApp:
        """Return app behind the door: the limits of bodies and the webhook are inside, nothing is before.

        A delivery that may not come in is answered at once. What is no delivery (OPTIONS, other methods and
        paths) goes on without its body, which no answer to it depends on.
        """

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
            elif scope["method"] != "POST" or scope["path"] != PATH:
                await app(scope, _nothing, send)
            else:
                await self._delivery(app, scope, receive, send)

        return guarded

    def problem(self) -> str:
        """Return what keeps deliveries from being judged, as a sentence; empty if nothing does."""
        found = []
        if self.methods.secret:
            self.methods.secret.file.refresh()
            if why := self.methods.secret.file.problem:
                found.append(f"webhook.secret_file: {why}")
        if self.methods.bearer and (why := self.methods.bearer.keys.problem):
            found.append(f"webhook.entra: {why}")
        return "; ".join(found)

    def inherit(self, other: Authenticator) -> None:
        """Begin with what the door before knew and what may not be had at the moment: Entra's keys."""
        if self.methods.bearer and other.methods.bearer:
            self.methods.bearer.keys.inherit(other.methods.bearer.keys)

    async def authenticate(self, headers: _Headers, query_string: bytes) -> AuthResult:
        """Return what the credentials of a request say of it; one good one is enough. Never raises."""
        if self.settings.allow_unauthenticated:
            return AUTHENTICATED
        try:
            async with asyncio.timeout(JUDGE_SECONDS):
                return await self._authenticate(headers, query_string)
        except Exception as error:  # noqa: BLE001 - 503 is repeated; nothing else may come out of here
            log.error("a delivery was not judged: %s", type(error).__name__, extra=exception_details(error))  # noqa: TRY400
            return AuthResult(AuthOutcome.UNDECIDED, "it could not be judged", 30)

    async def _authenticate(self, headers: _Headers, query_string: bytes) -> AuthResult:
        said = [self.methods.secret.authenticate(headers, query_string)] if self.methods.secret else []
        if self.methods.bearer and combine(said).outcome < AuthOutcome.AUTHENTICATED:
            tokens = [value.decode("latin-1") for name, value in headers if name == b"authorization"]
            said += [await self.methods.bearer.authenticate(token) for token in tokens[:1]]
        return combine(said)

    async def _delivery(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        headers: _Headers = scope["headers"]
        result = await self.authenticate(headers, scope["query_string"])
        handshake = result.outcome is AuthOutcome.NO_CREDENTIAL and self._open_handshake(headers)
        wait = self._wait(scope, result)
        if wait:
            self._tell("throttled", "too many deliveries from one address")
            await refuse(429, scope, receive, send, retry_after=wait)
        elif result.outcome is AuthOutcome.AUTHENTICATED:
            await app(_marked(scope), receive, send)
        elif handshake:
            await _with_small_body(app, _marked(scope), receive, send)
        else:
            await self._refuse(result, scope, receive, send)

    def _wait(self, scope: Scope, result: AuthResult) -> float:
        """Return the seconds that this source has to wait. What strangers send from an address, such as
        that of a proxy, does not count against what is admitted from there.
        """
        peer = scope["client"][0] if scope.get("client") else ""
        forwarded = [v.decode("latin-1") for name, v in scope["headers"] if name == b"x-forwarded-for"]
        key = source(peer, forwarded, self.settings.trusted_proxies)
        return self.rate.take((key, result.outcome is AuthOutcome.AUTHENTICATED))

    def _open_handshake(self, headers: _Headers) -> bool:
        """Whether this is the handshake of the Event Grid schema, and may come without the secret.

        It is not documented whether Event Grid sends delivery properties with the validation event. So where
        a secret is the only way, an event that carries none is answered. That is harmless: the webhook takes
        a request with this header for a handshake and for nothing else, and all it does is echo a code that
        the asker knows, never to follow a link. At worst a stranger may subscribe us to events that are then
        refused for want of the secret. An event that carries a wrong secret is refused, so that whoever
        subscribes learns of it at once.
        """
        if self.methods.bearer or not self.methods.secret:
            return False
        kinds = [value.lower() for name, value in headers if name == b"aeg-event-type"]
        return kinds == [b"subscriptionvalidation"]

    async def _refuse(self, result: AuthResult, scope: Scope, receive: Receive, send: Send) -> None:
        match result.outcome:
            case AuthOutcome.UNDECIDED:
                self._tell("undecided", result.reason)
                await refuse(503, scope, receive, send, retry_after=result.retry_after)
            case AuthOutcome.FORBIDDEN:
                self._tell("forbidden", result.reason)
                await refuse(403, scope, receive, send)
            case _:
                self._tell("unauthenticated", result.reason)
                await refuse(401, scope, receive, send)

    def _tell(self, outcome: str, why: str) -> None:
        self.count_event(OTHER, outcome)
        self.refusals.log(outcome, why)


@asynccontextmanager
async def open_authenticator(
    settings: WebhookSettings,
    count_event: CountEvent,
    *,
    cloud: Cloud = "public",
    ca_file: Path | None = None,
    clock: Callable[[], float] = time.monotonic,
    now: Callable[[], float] = time.time,
) -> AsyncIterator[Authenticator]:
    """Make the door of the webhook, and keep its signing keys fresh until the context is left.

    Waits for nothing: keys that cannot be fetched yet, or a file that cannot be read, put deliveries off
    (`Authenticator.problem()` says so). ca_file: certificates (PEM) to trust in addition to the system's.

    Raises:
        ValueError: Entra is configured for a cloud whose Event Grid app is neither known nor named.
    """
    secret = bearer = None
    if settings.secret_file:
        secret = SharedSecret(SecretFile(settings.secret_file), settings.secret_header, settings.secret_query)
        secret.file.refresh()
    if settings.entra:
        wanted = expected(settings.entra, cloud)
        bearer = BearerToken(wanted, SigningKeys(wanted.keys_url, ca_file, clock), now)
    fresh = asyncio.create_task(bearer.keys.keep_fresh()) if bearer else None
    try:
        yield Authenticator(
            settings, count_event, Methods(secret, bearer), RateLimit(settings.max_rate, clock)
        )
    finally:
        if fresh:
            fresh.cancel()
            await asyncio.wait([fresh])


def _marked(scope: Scope) -> Scope:
    return {**scope, AUTHENTICATED_MARK: True}


async def _nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


class _TooMuchError(Exception):
    """More than any handshake holds."""


async def _with_small_body(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Let a stranger's handshake in, up to the size of one."""
    seen = 0

    async def bounded() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > HANDSHAKE_BYTES:
            raise _TooMuchError
        return message

    try:
        await app(scope, bounded, send)
    except _TooMuchError:
        await refuse(401, scope, receive, send)
