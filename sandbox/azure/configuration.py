"""The configuration endpoint of API Management: where gateway pods authenticate with their tokens."""

from __future__ import annotations

import re

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from sandbox.azure.account import Authentication, Azure
from sandbox.azure.keys import fingerprint
from sandbox.names import HOME

CLUSTER, NAMESPACE, POD = "X-Pod-Cluster", "X-Pod-Namespace", "X-Pod-Name"
_PATH = re.compile(r"/gateways/(?P<gateway>[^/]+)/configuration")


class Configuration:
    """GET /gateways/{gateway}/configuration with `Authorization: GatewayKey {token}`: 200 or 401.

    The real protocol is not public; only the check of the token is modelled. Every attempt is recorded in
    `azure.authentications`.
    """

    def __init__(self, azure: Azure) -> None:
        self._azure = azure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._respond(Request(scope))(scope, receive, send)

    def _respond(self, request: Request) -> Response:
        path = _PATH.fullmatch(request.url.path)
        if path is None or request.method != "GET":
            return Response(status_code=404)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        gateways = self._azure.named(path["gateway"])
        ok = scheme == "GatewayKey" and any(gateway.accepts(token) for gateway in gateways)
        headers = request.headers
        self._azure.authentications.append(
            Authentication(
                gateway=path["gateway"],
                namespace=headers.get(NAMESPACE, ""),
                pod=headers.get(POD, ""),
                fingerprint=fingerprint(token) if token else "",
                ok=ok,
                at=self._azure.now(),
                cluster=headers.get(CLUSTER, HOME),
            )
        )
        return (
            JSONResponse({"gateway": path["gateway"], "apis": ["echo"]}) if ok else Response(status_code=401)
        )
