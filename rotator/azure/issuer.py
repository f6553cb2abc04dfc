"""Issues the tokens of one gateway, and finds out who signed them."""

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
from rotator.core.verification import SignerQuery
from rotator.errors import Refused
from rotator.ports import IssuedToken

log = logging.getLogger(__name__)

_CUT = timedelta(seconds=59)
"""Azure may drop the seconds of an expiry: a token's own stamp has none."""
_AT_ONCE = 4
"""Calls for one gateway at the same time; ARM grants 200 writes in a burst to all of a subscription."""


class ArmIssuer:
    """The port `Issuer` for one gateway. All issuers of an Arm share what it knows about determinism."""

    def __init__(self, arm: Arm, resource: ResourceId, clock: Callable[[], datetime]) -> None:
        self._arm = arm
        self._resource = resource
        self._clock = clock
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def issue(self, key: Key, expires_at: datetime) -> IssuedToken:
        """Return the token of key and expiry (UTC, cut to the minute). The same again if asked again.

        Raises:
            Unavailable: Azure did not answer, or asked to be left alone for a while.
            Refused: no such gateway, no permission, or an answer that is not the token asked for.
        """
        token = await self._token(key, expires_at)
        return IssuedToken(token.value, key, token.fingerprint, token.expires_at)

    async def signers(self, signer_queries: Iterable[SignerQuery]) -> Mapping[str, Key | None]:
        """Return by fingerprint which key signs it today; None if neither does: the token is dead.

        One call if a doubt's hint is right, two if it is not; before a token is called dead, one
        more shows that Azure still gives the same token for the same key and expiry. Left out:
        expired tokens, lives that Azure would not grant, and what Azure gave no usable answer to.
        Never raises Unavailable or Refused.
        """
        now, identification = self._clock(), self._arm.identification
        askable = [d for d in signer_queries if now < d.expires_at < now + LONGEST_LIFE]
        if not askable or not identification.on:
            return {}
        inquiry = SignerProbe(self._resource.gateway, identification, self._fingerprint)
        found = await inquiry.signers(askable)
        if inquiry.problems:
            log.warning(
                "could not find out who signed %d of %d tokens of gateway %s: %s",
                len({d.fingerprint for d in askable} - found.keys()),
                len({d.fingerprint for d in askable}),
                self._resource.gateway,
                inquiry.problems[0],
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
    """Return the token in Azure's answer if it is the one that was asked for. Raises Refused."""
    remedy = (
        "Nothing was written. Report this with the versions of rotator and service: Azure may have changed"
    )
    try:
        token = parse_token(value)
    except MalformedTokenError as error:
        raise Refused(f"Azure issued something that is no gateway token: {error}", remedy) from None
    if token.gateway.casefold() != gateway.casefold():
        raise Refused(f"Azure issued a token of another gateway than {gateway}", remedy)
    if not asked - _CUT <= token.expires_at <= asked:
        raise Refused(
            f"Azure issued a token that expires at {token.expires_at:%Y-%m-%dT%H:%MZ}, "
            f"asked was {asked:%Y-%m-%dT%H:%MZ}",
            remedy,
        )
    return token
