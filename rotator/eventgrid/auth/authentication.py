"""Authenticates a delivery by its headers and query string; one good credential is enough."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from rotator.config.schema.entra import expected
from rotator.config.schema.webhook import WebhookSettings
from rotator.config.types.clouds import CloudName
from rotator.diagnostics import exception_details
from rotator.eventgrid.auth.entra import BearerToken
from rotator.eventgrid.auth.jwks import SigningKeys
from rotator.eventgrid.auth.result import AUTHENTICATED, AuthOutcome, AuthResult, combine
from rotator.eventgrid.auth.shared_secret import SecretFile, SharedSecret

log = logging.getLogger(__name__)

Headers = list[tuple[bytes, bytes]]
"""As in ASGI: names in lower case."""
INTERNAL_ERROR = "internal error in authentication"
RETRY_AFTER_DEFECT = 30.0
"""Seconds after which a delivery is retried that a defect kept from being authenticated."""


@dataclass(frozen=True, slots=True)
class Methods:
    """The ways in which a delivery may prove who sends it; None: not configured."""

    secret: SharedSecret | None
    bearer: BearerToken | None


@dataclass(frozen=True, slots=True)
class Authenticator:
    """Made by `open_authenticator`."""

    settings: WebhookSettings
    methods: Methods

    def problem(self) -> str:
        """Return what keeps deliveries from being authenticated, as a sentence; empty if nothing does."""
        found = []
        if self.methods.secret:
            self.methods.secret.file.refresh()
            if why := self.methods.secret.file.problem:
                found.append(f"webhook.secret_file: {why}")
        if self.methods.bearer and (why := self.methods.bearer.keys.problem):
            found.append(f"webhook.entra: {why}")
        return "; ".join(found)

    def inherit(self, other: Authenticator) -> None:
        """Begin with Entra's keys as the authenticator before had them: they may be out of reach just now."""
        if self.methods.bearer and other.methods.bearer:
            self.methods.bearer.keys.inherit(other.methods.bearer.keys)

    async def authenticate(self, headers: Headers, query_string: bytes) -> AuthResult:
        """Return what the credentials of a request prove. Never raises."""
        if self.settings.allow_unauthenticated:
            return AUTHENTICATED
        try:
            return await self._authenticate(headers, query_string)
        except Exception as error:  # noqa: BLE001 - 503 is retried; nothing else may come out of here
            log.error("authentication failed: %s", type(error).__name__, extra=exception_details(error))  # noqa: TRY400 - see diagnostics
            return AuthResult(AuthOutcome.UNDECIDED, INTERNAL_ERROR, RETRY_AFTER_DEFECT)

    async def _authenticate(self, headers: Headers, query_string: bytes) -> AuthResult:
        results = [self.methods.secret.authenticate(headers, query_string)] if self.methods.secret else []
        if self.methods.bearer and combine(results).outcome < AuthOutcome.AUTHENTICATED:
            tokens = [value.decode("latin-1") for name, value in headers if name == b"authorization"]
            results += [await self.methods.bearer.authenticate(token) for token in tokens[:1]]
        return combine(results)


@asynccontextmanager
async def open_authenticator(
    settings: WebhookSettings,
    *,
    cloud: CloudName = "public",
    ca_file: Path | None = None,
    clock: Callable[[], float] = time.monotonic,
    now: Callable[[], float] = time.time,
) -> AsyncIterator[Authenticator]:
    """Make the webhook's authenticator, and keep its signing keys fresh until the context is left.

    Waits for nothing: while keys or the file of secrets cannot be had, deliveries are put off, and
    `Authenticator.problem()` says so. ca_file: certificates (PEM) to trust in addition to the system's.
    clock: monotonic, seconds. now: seconds since 1970, UTC.

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
    refreshing = asyncio.create_task(bearer.keys.keep_fresh()) if bearer else None
    try:
        yield Authenticator(settings, Methods(secret, bearer))
    finally:
        if refreshing:
            refreshing.cancel()
            await asyncio.wait([refreshing])
