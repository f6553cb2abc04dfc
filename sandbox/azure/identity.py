"""The managed identity endpoint of Azure App Service, which issues the bearer tokens that ARM accepts."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from sandbox.common import utc_now

PATH = "/msi/token"
API_VERSION = "2019-08-01"


class Identity:
    """Serves GET /msi/token?api-version=2019-08-01&resource=… with the header X-IDENTITY-HEADER.

    The protocol is documented in "How to use managed identities for App Service", REST endpoint reference.
    `lifetime` applies to tokens issued from then on.
    """

    def __init__(self) -> None:
        self.header = secrets.token_urlsafe(24)
        self.lifetime = timedelta(hours=24)
        self._tokens: dict[str, datetime] = {}

    def issue(self) -> tuple[str, datetime]:
        """Return a new bearer token for ARM and the time (UTC) at which it expires."""
        token, expires_at = secrets.token_urlsafe(32), utc_now() + self.lifetime
        self._tokens[token] = expires_at
        return token, expires_at

    def accepts(self, token: str) -> bool:
        """Whether this bearer token was issued here and has not expired."""
        return token in self._tokens and utc_now() < self._tokens[token]

    def forget(self) -> None:
        """Invalidate every token issued so far."""
        self._tokens.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._respond(Request(scope))(scope, receive, send)

    def _respond(self, request: Request) -> Response:
        if request.url.path != PATH or request.method != "GET":
            return _refusal(404, "No such endpoint.")
        if not secrets.compare_digest(request.headers.get("X-IDENTITY-HEADER", ""), self.header):
            return _refusal(401, "The header X-IDENTITY-HEADER is missing or wrong.")
        resource = request.query_params.get("resource")
        if request.query_params.get("api-version") != API_VERSION or not resource:
            return _refusal(400, f"api-version={API_VERSION} and resource are required.")
        token, expires_at = self.issue()
        return JSONResponse(
            {
                "access_token": token,
                "expires_on": str(int(expires_at.timestamp())),
                "resource": resource,
                "token_type": "Bearer",
            }
        )


def _refusal(status: int, message: str) -> Response:
    return JSONResponse({"statusCode": status, "message": message}, status)
