"""Authenticates deliveries by a bearer token of Microsoft Entra ID ("secure webhook").

https://learn.microsoft.com/azure/event-grid/secure-webhook-delivery and, for the claims,
https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt

from rotator.config.schema.entra import Expected
from rotator.errors import Unavailable
from rotator.eventgrid.auth.jwks import SigningKeys
from rotator.eventgrid.auth.result import AUTHENTICATED, NO_CREDENTIAL, AuthOutcome, AuthResult

Json = dict[str, Any]

ALGORITHMS = ("RS256",)
CLOCK_LEEWAY = 300.0
"""Seconds that clocks may differ, as Microsoft's own libraries allow."""
MAX_TOKEN_LENGTH = 16_384
"""Characters of a bearer token."""
CLOCK = "token expired or not yet valid; check this node's clock"
_REQUIRED = ["exp", "nbf", "iss", "aud", "tid"]
_MALFORMED = (jwt.PyJWTError, ValueError, RecursionError)
"""PyJWT 2.15 raises an error of its own for all that is wrong with a token; older versions do not."""


@dataclass(frozen=True, slots=True)
class BearerToken:
    """now: seconds since 1970, UTC."""

    expected: Expected
    keys: SigningKeys
    now: Callable[[], float] = time.time

    async def authenticate(self, authorization: str) -> AuthResult:
        """Return what the value of an Authorization header proves. Never raises."""
        scheme, _, token = authorization.strip().partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            return NO_CREDENTIAL
        try:
            kid = _kid(token)
            key = await self.keys.find(kid)
            if key is None:
                return _invalid("a token signed by a key that Entra does not publish")
            claims: Json = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=self.expected.audiences,
                issuer=self.expected.issuers,
                leeway=CLOCK_LEEWAY,
                # _check_times() checks them last: a token with wrong times is put off, not refused.
                options={"require": _REQUIRED, "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except Unavailable as error:
            wait = error.retry_after.total_seconds() if error.retry_after else 30.0
            return AuthResult(AuthOutcome.UNDECIDED, str(error), wait)
        except jwt.InvalidAudienceError:
            return _invalid("a token for another audience")
        except jwt.InvalidIssuerError:
            return _invalid("a token of another issuer")
        except _MALFORMED:
            return _invalid("a bearer token that cannot be used")
        return (
            _check_tenant(claims, self.expected)
            or _check_application(claims, self.expected)
            or self._check_times(claims)
        )

    def _check_times(self, claims: Json) -> AuthResult:
        """Check the times of a token that is right in all else.

        A token that is too old or too new puts the delivery off instead of refusing it: this node's clock may
        be wrong, and Event Grid retries with a new token. A refusal would lose the delivery.
        """
        try:
            starts, ends = _seconds(claims["nbf"]), _seconds(claims["exp"])
        except (ValueError, OverflowError):
            return _invalid("a bearer token that cannot be used")
        if starts - CLOCK_LEEWAY <= self.now() < ends + CLOCK_LEEWAY:
            return AUTHENTICATED
        return AuthResult(AuthOutcome.UNDECIDED, CLOCK, 60)


def _kid(token: str) -> str:
    """Return the id of the key that the token names. Raises one of _MALFORMED."""
    if len(token) > MAX_TOKEN_LENGTH:
        raise ValueError("too long")
    header = jwt.get_unverified_header(token)
    kid = header.get("kid")
    if header.get("alg") not in ALGORITHMS or not isinstance(kid, str) or not kid:
        raise ValueError("not signed as Entra signs")
    return kid


def _check_tenant(claims: Json, expected: Expected) -> AuthResult | None:
    if str(claims["tid"]).lower() == expected.tenant:
        return None
    return _invalid("a token of another tenant")


def _check_application(claims: Json, expected: Expected) -> AuthResult | None:
    """Check the application: tokens of version 1 call it appid, those of version 2 azp."""
    apps = {str(claims[name]).lower() for name in ("appid", "azp") if name in claims}
    if apps != {expected.app}:
        return AuthResult(AuthOutcome.FORBIDDEN, "a token of another application than Event Grid")
    roles = claims.get("roles")
    if expected.role and (not isinstance(roles, list) or expected.role not in roles):
        return AuthResult(AuthOutcome.FORBIDDEN, "a token without the role of webhook.entra.role")
    return None


def _seconds(claim: object) -> float:
    if isinstance(claim, bool) or not isinstance(claim, int | float) or not math.isfinite(claim):
        raise ValueError("not a time")
    return float(claim)


def _invalid(why: str) -> AuthResult:
    return AuthResult(AuthOutcome.INVALID, why)
