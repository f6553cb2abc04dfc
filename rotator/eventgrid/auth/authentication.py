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
from rotator.eventgrid.auth.responses import Refusals, refuse
from rotator.eventgrid.auth.result import ADMITTED, Judgement, Verdict, weightiest
from rotator.eventgrid.auth.shared_secret import SecretFile, SharedSecret
from rotator.eventgrid.webhook import ADMITTED_MARK, OTHER, PATH, Observe

log = logging.getLogger(__name__)

JUDGE_SECONDS = 20.0
"""With the 25 s that the webhook itself takes at most, Event Grid has its answer in time in all likelihood:
only a fetch of signing keys takes any time at all."""
HANDSHAKE_BYTES = 16_384

_Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class _Ways:
    secret: SharedSecret | None
    bearer: BearerToken | None


@dataclass(frozen=True, slots=True)
class Admission:
    """The door of the webhook. Made by `open_admission`."""

    settings: WebhookSettings
    observe: Observe
    ways: _Ways
    rate: RateLimit
    refusals: Refusals = field(default_factory=Refusals)

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

    def trouble(self) -> str:
        """Return what keeps deliveries from being judged, as a sentence; empty if nothing does."""
        found = []
        if self.ways.secret:
            self.ways.secret.file.refresh()
            if why := self.ways.secret.file.trouble:
                found.append(f"webhook.secret_file: {why}")
        if self.ways.bearer and (why := self.ways.bearer.keys.trouble):
            found.append(f"webhook.entra: {why}")
        return "; ".join(found)

    def inherit(self, other: Admission) -> None:
        """Begin with what the door before knew and what may not be had at the moment: Entra's keys."""
        if self.ways.bearer and other.ways.bearer:
            self.ways.bearer.keys.inherit(other.ways.bearer.keys)

    async def judge(self, headers: _Headers, query_string: bytes) -> Judgement:
        """Return what the credentials of a request say of it; one good one is enough. Never raises."""
        if self.settings.allow_unauthenticated:
            return ADMITTED
        try:
            async with asyncio.timeout(JUDGE_SECONDS):
                return await self._judge(headers, query_string)
        except Exception as error:  # noqa: BLE001 - 503 is repeated; nothing else may come out of here
            log.error("a delivery was not judged: %s", type(error).__name__, extra=exception_details(error))  # noqa: TRY400
            return Judgement(Verdict.UNDECIDED, "it could not be judged", 30)

    async def _judge(self, headers: _Headers, query_string: bytes) -> Judgement:
        said = [self.ways.secret.judge(headers, query_string)] if self.ways.secret else []
        if self.ways.bearer and weightiest(said).verdict < Verdict.ADMITTED:
            tokens = [value.decode("latin-1") for name, value in headers if name == b"authorization"]
            said += [await self.ways.bearer.judge(token) for token in tokens[:1]]
        return weightiest(said)

    async def _delivery(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        headers: _Headers = scope["headers"]
        judgement = await self.judge(headers, scope["query_string"])
        handshake = judgement.verdict is Verdict.ABSENT and self._open_handshake(headers)
        wait = self._wait(scope, judgement)
        if wait:
            self._tell("throttled", "too many deliveries from one address")
            await refuse(429, scope, receive, send, retry_after=wait)
        elif judgement.verdict is Verdict.ADMITTED:
            await app(_marked(scope), receive, send)
        elif handshake:
            await _with_small_body(app, _marked(scope), receive, send)
        else:
            await self._refuse(judgement, scope, receive, send)

    def _wait(self, scope: Scope, judgement: Judgement) -> float:
        """Return the seconds that this source has to wait. What strangers send from an address, such as
        that of a proxy, does not count against what is admitted from there.
        """
        peer = scope["client"][0] if scope.get("client") else ""
        forwarded = [v.decode("latin-1") for name, v in scope["headers"] if name == b"x-forwarded-for"]
        key = source(peer, forwarded, self.settings.trusted_proxies)
        return self.rate.take((key, judgement.verdict is Verdict.ADMITTED))

    def _open_handshake(self, headers: _Headers) -> bool:
        """Whether this is the handshake of the Event Grid schema, and may come without the secret.

        It is not documented whether Event Grid sends delivery properties with the validation event. So where
        a secret is the only way, an event that carries none is answered. That is harmless: the webhook takes
        a request with this header for a handshake and for nothing else, and all it does is echo a code that
        the asker knows, never to follow a link. At worst a stranger may subscribe us to events that are then
        refused for want of the secret. An event that carries a wrong secret is refused, so that whoever
        subscribes learns of it at once.
        """
        if self.ways.bearer or not self.ways.secret:
            return False
        kinds = [value.lower() for name, value in headers if name == b"aeg-event-type"]
        return kinds == [b"subscriptionvalidation"]

    async def _refuse(self, judgement: Judgement, scope: Scope, receive: Receive, send: Send) -> None:
        match judgement.verdict:
            case Verdict.UNDECIDED:
                self._tell("undecided", judgement.why)
                await refuse(503, scope, receive, send, retry_after=judgement.retry_after)
            case Verdict.FORBIDDEN:
                self._tell("forbidden", judgement.why)
                await refuse(403, scope, receive, send)
            case _:
                self._tell("unauthenticated", judgement.why)
                await refuse(401, scope, receive, send)

    def _tell(self, outcome: str, why: str) -> None:
        self.observe(OTHER, outcome)
        self.refusals.log(outcome, why)


@asynccontextmanager
async def open_admission(
    settings: WebhookSettings,
    observe: Observe,
    *,
    cloud: Cloud = "public",
    ca_file: Path | None = None,
    clock: Callable[[], float] = time.monotonic,
    now: Callable[[], float] = time.time,
) -> AsyncIterator[Admission]:
    """Make the door of the webhook, and keep its signing keys fresh until the context is left.

    Waits for nothing: keys that cannot be fetched yet, or a file that cannot be read, put deliveries off
    (`Admission.trouble()` says so). ca_file: certificates (PEM) to trust in addition to the system's.

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
        yield Admission(settings, observe, _Ways(secret, bearer), RateLimit(settings.max_rate, clock))
    finally:
        if fresh:
            fresh.cancel()
            await asyncio.wait([fresh])


def _marked(scope: Scope) -> Scope:
    return {**scope, ADMITTED_MARK: True}


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
