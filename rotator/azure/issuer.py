"""Issues the tokens of one gateway, and finds out which key signed a token."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta

from rotator.azure.client import Arm
from rotator.azure.signer_detection import SignerProbe
from rotator.config import ResourceId
from rotator.core.access_token import MalformedTokenError, TokenText, parse_token
from rotator.core.policy import LONGEST_LIFE
from rotator.core.records import Key
from rotator.core.signing import SignerQuery
from rotator.errors import Refused
from rotator.ports import IssuedToken

log = logging.getLogger(__name__)

_MAX_TRUNCATION = timedelta(seconds=59)
"""How much earlier than asked a token may expire: Azure may drop the seconds, which a token does not hold."""
_MAX_CONCURRENT_CALLS = 4
"""Calls at the same time for one gateway. ARM allows a burst of 200 writes to a whole subscription."""


class ArmIssuer:
    """Implements the port `Issuer` for one gateway. All issuers of an Arm share its SignerDetection."""

    def __init__(self, arm: Arm, resource: ResourceId, clock: Callable[[], datetime]) -> None:
        self._arm = arm
        self._resource = resource
        self._clock = clock
        self._slots = asyncio.Semaphore(_MAX_CONCURRENT_CALLS)

    async def issue(self, key: Key, expires_at: datetime) -> IssuedToken:
        """Return the token of key and expiry (UTC, cut to the minute). The same call returns the same token.

        Raises:
            Unavailable: Azure did not answer, or asked the rotator to wait.
            Refused: no such gateway, no permission, or an answer that is not the token asked for.
        """
        token = await self._token(key, expires_at)
        return IssuedToken(token.value, key, token.fingerprint, token.expires_at)

    async def signers(self, signer_queries: Iterable[SignerQuery]) -> Mapping[str, Key | None]:
        """Return for each fingerprint the key that signs the token today; None: the token is dead.

        A query costs one call if its hint is right and two if not. Before a token counts as dead, one more
        call shows that Azure still gives the same token for the same key and expiry. The result leaves out
        expired tokens, lifetimes that Azure does not grant, and queries without a usable answer. Never
        raises Unavailable or Refused.
        """
        now, detection = self._clock(), self._arm.signer_detection
        askable = [query for query in signer_queries if now < query.expires_at < now + LONGEST_LIFE]
        if not askable or not detection.on:
            return {}
        probe = SignerProbe(self._resource.gateway, detection, self._fingerprint)
        found = await probe.signers(askable)
        if probe.errors:
            fingerprints = {query.fingerprint for query in askable}
            log.warning(
                "cannot tell which key signed %d of %d tokens of gateway %s: %s",
                len(fingerprints - found.keys()),
                len(fingerprints),
                self._resource.gateway,
                probe.errors[0],
            )
        return found

    async def _fingerprint(self, key: Key, expires_at: datetime) -> str:
        return (await self._token(key, expires_at)).fingerprint

    async def _token(self, key: Key, expires_at: datetime) -> TokenText:
        asked = expires_at.astimezone(UTC).replace(second=0, microsecond=0)
        async with self._slots:
            value = await self._arm.generate_token(self._resource, key, asked)
        return _checked(value, self._resource.gateway, asked)


def _checked(value: str, gateway: str, asked: datetime) -> TokenText:
    """Return the token in Azure's answer. Raises Refused if it is not the one that was asked for."""
    remedy = (
        "The rotator wrote nothing. Report this with the versions of the rotator and of the API Management "
        "service: Azure may have changed"
    )
    try:
        token = parse_token(value)
    except MalformedTokenError as error:
        raise Refused(f"Azure's answer is not a gateway token: {error}", remedy) from None
    if token.gateway.casefold() != gateway.casefold():
        raise Refused(f"Azure issued a token of another gateway than {gateway}", remedy)
    if not asked - _MAX_TRUNCATION <= token.expires_at <= asked:
        raise Refused(
            f"Azure issued a token that expires at {token.expires_at:%Y-%m-%dT%H:%MZ}, "
            f"asked was {asked:%Y-%m-%dT%H:%MZ}",
            remedy,
        )
    return token
