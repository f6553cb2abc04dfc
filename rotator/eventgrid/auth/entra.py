"""Deliveries that prove themselves by a bearer token of Microsoft Entra ID ("secure webhook").

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
LEEWAY = 300.0
"""Seconds that clocks may differ, as Microsoft's own libraries allow."""
LONGEST_TOKEN = 16_384
CLOCK = "token expired or not yet valid; check this node's clock"
_REQUIRED = ["exp", "nbf", "iss", "aud", "tid"]
_MALFORMED = (jwt.PyJWTError, ValueError, RecursionError)
"""PyJWT 2.15 makes an error of its own of whatever is wrong with a token; older ones may be installed."""


@dataclass(frozen=True, slots=True)
class BearerToken:
    """now: seconds since 1970, UTC."""

    expected: Expected
    keys: SigningKeys
    now: Callable[[], float] = time.time

    async def authenticate(self, authorization: str) -> AuthResult:
        """Return what the value of an Authorization header says of its request. Never raises."""
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
                leeway=LEEWAY,
                # The times are judged last, by _timely(): what they say may pass.
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
        return _same_tenant(claims, self.expected) or _entitled(claims, self.expected) or self._timely(claims)

    def _timely(self, claims: Json) -> AuthResult:
        """Judge the times of a token that is right in all else.

        One that is too old or too new is put off, not refused: our clock may be wrong, and Event Grid comes
        again with a new token. A refusal would lose the delivery for a fault that passes.
        """
        try:
            starts, ends = _seconds(claims["nbf"]), _seconds(claims["exp"])
        except (ValueError, OverflowError):
            return _invalid("a bearer token that cannot be used")
        if starts - LEEWAY <= self.now() < ends + LEEWAY:
            return AUTHENTICATED
        return AuthResult(AuthOutcome.UNDECIDED, CLOCK, 60)


def _kid(token: str) -> str:
    """Return which key is said to have signed. Raises one of _MALFORMED."""
    if len(token) > LONGEST_TOKEN:
        raise ValueError("too long")
    header = jwt.get_unverified_header(token)
    kid = header.get("kid")
    if header.get("alg") not in ALGORITHMS or not isinstance(kid, str) or not kid:
        raise ValueError("not signed as Entra signs")
    return kid


def _same_tenant(claims: Json, expected: Expected) -> AuthResult | None:
    if str(claims["tid"]).lower() == expected.tenant:
        return None
    return _invalid("a token of another tenant")


def _entitled(claims: Json, expected: Expected) -> AuthResult | None:
    """Judge the application: tokens of version 1 call it appid, those of version 2 azp."""
    apps = {str(claims[name]).lower() for name in ("appid", "azp") if name in claims}
    if apps != {expected.app}:
        return AuthResult(AuthOutcome.FORBIDDEN, "a token of another application than Event Grid")
    roles = claims.get("roles")
    if expected.role and (not isinstance(roles, list) or expected.role not in roles):
        return AuthResult(AuthOutcome.FORBIDDEN, "a token without the role of webhook.entra.role")
    return None


def _seconds(claim: object) -> float:
    if isinstance(claim, bool) or not isinstance(claim, int | float) or not math.isfinite(claim):
        raise ValueError("no time")
    return float(claim)


def _invalid(why: str) -> AuthResult:
    return AuthResult(AuthOutcome.INVALID, why)
