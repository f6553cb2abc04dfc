"""Azure Resource Manager, as much of it as the rotator needs."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import aiohttp
from azure.core.pipeline.transport import AioHttpTransport
from azure.mgmt.apimanagement.aio import ApiManagementClient
from azure.mgmt.apimanagement.models import (
    GatewayKeyRegenerationRequestContract,
    GatewayTokenRequestContract,
    KeyType,
)

from rotator import __version__
from rotator.azure.clock_offset import ClockOffsetPolicy
from rotator.azure.clouds import arm_endpoint
from rotator.azure.credential import Credential, build
from rotator.azure.errors import Call, CredentialRejected, ask
from rotator.azure.signer_detection import SignerDetection
from rotator.config import AzureSettings, ResourceId
from rotator.core.records import Key
from rotator.errors import Refused, Unavailable

READ = "Microsoft.ApiManagement/service/gateways/read"
GENERATE_TOKEN = "Microsoft.ApiManagement/service/gateways/generateToken/action"
REGENERATE_KEY = "Microsoft.ApiManagement/service/gateways/regenerateKey/action"
CALL_TIMEOUT = timedelta(seconds=30)
"""Bounds one call of Azure Resource Manager, including signing in."""

T = TypeVar("T")


class Arm:
    """One credential and one pool of connections for all subscriptions. The caller closes it.

    The SDK never retries: a fault becomes Unavailable, and the caller decides when to try again.
    """

    def __init__(
        self,
        *,
        credentials: Callable[[], Credential],
        session: aiohttp.ClientSession,
        transport: AioHttpTransport,
        endpoint: str,
        scopes: tuple[str, ...],
        within: timedelta,
    ) -> None:
        self._credentials = credentials
        self._credential = credentials()
        self._session = session
        self._transport = transport
        self._endpoint = endpoint
        self._scopes = scopes
        self._within = within
        self._clients: dict[str, ApiManagementClient] = {}
        self.signer_detection = SignerDetection()
        self.clock_offset = ClockOffsetPolicy()

    @classmethod
    async def connect(
        cls, settings: AzureSettings, environ: Mapping[str, str], within: timedelta = CALL_TIMEOUT
    ) -> Self:
        """Return a client. Nothing is sent yet: see preflight. within bounds each call, signing in included.

        Raises:
            Refused: the credential lacks variables, or ca_file cannot be used.
        """
        context = _ssl_context(settings.ca_file)
        # As the SDK's own session: proxies from the environment, no cookies, bodies left as they are.
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context),
            trust_env=True,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )
        transport = AioHttpTransport(session=session, session_owner=False)
        endpoint, scopes = arm_endpoint(settings.cloud)
        try:
            return cls(
                credentials=lambda: build(settings, environ, transport),
                session=session,
                transport=transport,
                endpoint=settings.endpoint or endpoint,
                scopes=scopes,
                within=within,
            )
        except BaseException:
            await session.close()
            raise

    async def preflight(self, resource: ResourceId) -> None:
        """Check that Azure accepts the credential and shows the gateway. Issues no token.

        Raises:
            Unavailable, Refused: as ask does.
        """
        call = Call(
            f"show the gateway {resource.gateway}",
            f"{READ} (and {GENERATE_TOKEN}, to issue tokens)",
            resource,
        )
        gateways = self._client(resource).gateway
        answer = gateways.get(resource.group, resource.service, resource.gateway)
        shown = await self._ask(call, answer)
        if not getattr(shown, "id", None):  # None for an empty answer
            raise Unavailable(f"Azure could not {call.what}: its answer is empty")

    async def generate_token(self, resource: ResourceId, key: Key, expires_at: datetime) -> str:
        """Return ARM's token of key and expiry (UTC, whole seconds). The text is a secret.

        Raises:
            Unavailable, Refused: as ask does.
        """
        call = Call(
            f"issue a token of the gateway {resource.gateway} with its {key} key", GENERATE_TOKEN, resource
        )
        wanted = GatewayTokenRequestContract(key_type=KeyType(key.value), expiry=expires_at)
        answer = self._client(resource).gateway.generate_token(
            resource.group, resource.service, resource.gateway, wanted
        )
        value = getattr(await self._ask(call, answer), "value", None)  # None for an empty answer
        if not isinstance(value, str) or not value:
            raise Unavailable(f"Azure could not {call.what}: its answer holds no token")
        return value

    async def regenerate_key(self, resource: ResourceId, key: Key, within: timedelta) -> None:
        """End every token of key. Sends the request once and waits at most within.

        Raises:
            Unavailable: the outcome is unknown.
            Refused: Azure did not regenerate the key.
        """
        call = Call(f"regenerate the {key} key of the gateway {resource.gateway}", REGENERATE_KEY, resource)
        wanted = GatewayKeyRegenerationRequestContract(key_type=KeyType(key.value))
        answer = self._client(resource).gateway.regenerate_key(
            resource.group, resource.service, resource.gateway, wanted
        )
        await self._ask(call, answer, min(within, self._within))

    @property
    def credentials(self) -> Callable[[], Credential]:
        """Builds the same credential again for other services of Azure, on the same transport."""
        return self._credentials

    @property
    def transport(self) -> AioHttpTransport:
        """The pool of connections, for other services of Azure. Closed by close()."""
        return self._transport

    async def close(self) -> None:
        """Close all connections. Calls under way fail."""
        await self._credential.close()
        await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _ask(self, call: Call, answer: Awaitable[T], within: timedelta | None = None) -> T:
        try:
            return await ask(call, answer, within or self._within)
        except CredentialRejected:
            # The SDK caches a bearer token until it expires, up to a day; a new credential asks anew.
            # The old one needs no closing: the session owns the connections.
            self._credential = self._credentials()
            self._clients.clear()
            raise

    def _client(self, resource: ResourceId) -> ApiManagementClient:
        subscription = resource.subscription.lower()
        if subscription not in self._clients:
            self._clients[subscription] = ApiManagementClient(
                self._credential,
                subscription,
                base_url=self._endpoint,
                credential_scopes=list(self._scopes),
                transport=self._transport,
                retry_total=0,
                per_call_policies=[self.clock_offset],
                user_agent=f"apim-token-rotator/{__version__}",
            )
        return self._clients[subscription]


def _ssl_context(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is None:
        return context
    try:
        context.load_verify_locations(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise Refused(
            f"the CA bundle {ca_file} cannot be used ({error.strerror or 'no certificate in PEM form'})",
            "Check ca_file under [azure]",
        ) from error
    return context
