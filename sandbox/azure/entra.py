"""Microsoft Entra ID as the receiver of a webhook uses it: signing keys and tokens."""

from __future__ import annotations

import json
import re
import time
import uuid
from dataclasses import dataclass, field
from typing import Literal

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from sandbox.common import Json

Version = Literal["1.0", "2.0"]

TENANT = "22222222-3333-4444-8555-666666666666"
EVENT_GRID_APP = "4962773b-9cdb-44cf-a8bf-237846a00ab7"
ROLE = "AzureEventGridSecureWebhookSubscriber"
LIFETIME = 3600
"""Seconds for which a token is valid."""
_KEYS = re.compile(r"/(?P<tenant>[^/]+)/discovery/(v2\.0/)?keys")
_DISCOVERY = re.compile(r"/(?P<tenant>[^/]+)/(v2\.0/)?\.well-known/openid-configuration")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key pair; `kid` names it in key sets and in the headers of tokens."""

    kid: str
    private: rsa.RSAPrivateKey = field(repr=False)

    @property
    def public(self) -> Json:
        """The public half as a JSON web key, as Entra publishes it."""
        jwk: Json = RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {"kty": "RSA", "use": "sig", "kid": self.kid, "x5t": self.kid, "n": jwk["n"], "e": jwk["e"]}


def new_key() -> SigningKey:
    """Create a key of the size that Entra uses."""
    return SigningKey(uuid.uuid4().hex, rsa.generate_private_key(public_exponent=65537, key_size=2048))


class Entra:
    """One tenant. It creates its key pair on first use, which takes a tenth of a second.

    `url` is its authority without the tenant; the server sets it.
    """

    def __init__(self, tenant: str = TENANT) -> None:
        self.tenant = tenant
        self.url = "https://login.microsoftonline.com"
        self._keys: list[SigningKey] = []

    @property
    def published(self) -> list[SigningKey]:
        """The keys in its key set; the last one signs."""
        if not self._keys:
            self._keys.append(new_key())
        return self._keys

    @property
    def signing(self) -> SigningKey:
        return self.published[-1]

    def rotate(self, *, keep_old: bool = True) -> SigningKey:
        """Sign with a new key from now on. `keep_old`: the old keys stay published."""
        self._keys = [*(self.published if keep_old else ()), new_key()]
        return self.signing

    def claims(self, audience: str, version: Version = "1.0", **changes: object) -> Json:
        """Return the claims of Event Grid's token for a webhook. `changes` replace claims; None removes one.

        "Access token claims reference": version 1 has appid and is issued by sts.windows.net, version 2 has
        azp and is issued by the authority.
        """
        now, first = int(time.time()), version == "1.0"
        usual: Json = {
            "aud": audience,
            "iss": f"https://sts.windows.net/{self.tenant}/" if first else f"{self.url}/{self.tenant}/v2.0",
            "iat": now - 300,
            "nbf": now - 300,
            "exp": now + LIFETIME,
            "appid" if first else "azp": EVENT_GRID_APP,
            "appidacr" if first else "azpacr": "2",
            "oid": "77777777-8888-4999-8aaa-bbbbbbbbbbbb",
            "roles": [ROLE],
            "tid": self.tenant,
            "ver": version,
        }
        return {name: value for name, value in (usual | changes).items() if value is not None}

    def token(self, claims: Json, key: SigningKey | None = None) -> str:
        """Return a bearer token with these claims, valid or not, signed by the current key or by another."""
        key = key or self.signing
        payload = json.dumps(claims).encode()
        return jwt.PyJWS().encode(payload, key.private, "RS256", {"kid": key.kid, "x5t": key.kid})

    def event_grid_token(self, audience: str, version: Version = "1.0") -> str:
        """Return the token that Event Grid sends with a delivery to a webhook with this audience."""
        return self.token(self.claims(audience, version))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._respond(Request(scope))(scope, receive, send)

    def _respond(self, request: Request) -> Response:
        path = request.url.path
        found = _KEYS.fullmatch(path) or _DISCOVERY.fullmatch(path)
        if found is None or request.method != "GET":
            return Response(status_code=404)
        if found["tenant"].lower() != self.tenant:
            return JSONResponse({"error": "invalid_tenant", "error_description": "AADSTS90002"}, 400)
        if _KEYS.fullmatch(path):
            return JSONResponse({"keys": [key.public for key in self.published]})
        base = f"{self.url}/{self.tenant}"
        return JSONResponse(
            {
                "issuer": f"{base}/v2.0",
                "jwks_uri": f"{base}/discovery/v2.0/keys",
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "id_token_signing_alg_values_supported": ["RS256"],
            }
        )
