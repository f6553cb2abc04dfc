"""Azure Resource Manager's gateway operations (Microsoft.ApiManagement, api-version 2024-05-01)."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from sandbox.azure.account import Azure
from sandbox.azure.keys import KEYS, Gateway
from sandbox.common import Json

MAX_LIFETIME = timedelta(days=30)
"""How far ahead the expiry of a token may be."""
PROVIDER = "Microsoft.ApiManagement/service/gateways"
_PATH = re.compile(
    r"(?P<service>/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.ApiManagement/service/[^/]+)"
    r"/gateways(?:/(?P<gateway>[^/]+)(?:/(?P<action>[^/]+|providers/Microsoft\.Authorization/permissions))?)?/?",
    re.IGNORECASE,
)


class ArmError(Exception):
    """An error answer of ARM."""

    def __init__(self, status: int, code: str, message: str, *details: Json, **headers: str) -> None:
        super().__init__(message)
        error: Json = {"code": code, "message": message}
        if details:
            error["details"] = list(details)
        self.response = JSONResponse({"error": error}, status)
        self.response.headers.update({name.replace("_", "-"): value for name, value in headers.items()})


class Arm:
    """The ASGI application in front of an `Azure`. Requests need a bearer token from its identity."""

    def __init__(self, azure: Azure) -> None:
        self._azure = azure
        self._actions: dict[str, tuple[str, Callable[[Gateway, Json], Response]]] = {
            "generatetoken": ("generateToken", self._generate_token),
            "regeneratekey": ("regenerateKey", _regenerate_key),
            "listkeys": ("listKeys", _list_keys),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        try:
            response = await self._respond(request)
        except ArmError as error:
            response = error.response
        kind = "reads" if request.method == "GET" else "writes"
        bucket = self._azure.buckets.get(kind)
        left = int(bucket.left) if bucket else 11_999
        response.headers[f"x-ms-ratelimit-remaining-subscription-{kind}"] = str(left)
        response.headers["x-ms-request-id"] = str(uuid.uuid4())
        response.headers["x-ms-correlation-request-id"] = response.headers["x-ms-request-id"]
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        self._authenticate(request)
        self._limit(request)
        path = _PATH.fullmatch(request.url.path)
        if path is None:
            raise ArmError(404, "InvalidResourceType", "The resource type could not be found.")
        if "api-version" not in request.query_params:
            raise ArmError(
                400,
                "MissingApiVersionParameter",
                "The api-version query parameter is required for all requests.",
            )
        if path["gateway"] is None:
            return self._list(request, path["service"])
        resource_id = f"{path['service']}/gateways/{path['gateway']}"
        action = (path["action"] or "").lower()
        if action == "" and request.method == "GET":
            self._authorize(f"{PROVIDER}/read", resource_id)
            return JSONResponse(_contract(self._gateway(resource_id)))
        if action.startswith("providers/") and request.method == "GET":
            return self._permissions()
        if action not in self._actions or request.method != "POST":
            raise ArmError(405, "MethodNotAllowed", f"The HTTP method {request.method} is not allowed here.")
        name, operation = self._actions[action]
        self._authorize(f"{PROVIDER}/{name}/action", resource_id)
        return operation(self._gateway(resource_id), await _body(request))

    def _authenticate(self, request: Request) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        challenge = 'Bearer authorization_uri="https://login.microsoftonline.com/"'
        if scheme.lower() != "bearer":
            message = "Authentication failed. The 'Authorization' header is missing."
            raise ArmError(401, "AuthenticationFailed", message, WWW_Authenticate=challenge)
        if not self._azure.identity.accepts(token):
            message = "The access token is invalid or has expired."
            raise ArmError(
                401,
                "InvalidAuthenticationToken",
                message,
                WWW_Authenticate=f'{challenge}, error="invalid_token"',
            )

    def _limit(self, request: Request) -> None:
        bucket = self._azure.buckets.get("reads" if request.method == "GET" else "writes")
        wait = bucket.take() if bucket else 0.0
        if wait:
            message = "Number of requests for the subscription exceeded the limit. Please try again later."
            raise ArmError(429, "SubscriptionRequestsThrottled", message, Retry_After=str(math.ceil(wait)))

    def _authorize(self, action: str, scope: str) -> None:
        if action.lower() in {denied.lower() for denied in self._azure.denied}:
            raise ArmError(
                403,
                "AuthorizationFailed",
                f"The client does not have authorization to perform action '{action}' over scope '{scope}' "
                "or the scope is invalid. If access was recently granted, please refresh your credentials.",
            )

    def _gateway(self, resource_id: str) -> Gateway:
        gateway = self._azure.find(resource_id)
        if gateway is None:
            raise ArmError(404, "ResourceNotFound", f"The resource '{resource_id}' was not found.")
        return gateway

    def _list(self, request: Request, service: str) -> Response:
        if request.method != "GET":
            raise ArmError(405, "MethodNotAllowed", f"The HTTP method {request.method} is not allowed here.")
        self._authorize(f"{PROVIDER}/read", service)
        gateways = [
            gateway for gateway in self._azure.gateways if gateway.service_id.lower() == service.lower()
        ]
        if not gateways:
            raise ArmError(404, "ResourceNotFound", f"The resource '{service}' was not found.")
        try:
            start = int(request.query_params.get("$skip", 0))
            size = int(request.query_params.get("$top", self._azure.page_size or len(gateways)))
        except ValueError:
            raise ArmError(400, "InvalidQueryParameter", "$skip and $top must be numbers.") from None
        end = start + size
        link = str(request.url.include_query_params(**{"$skip": end}))
        return JSONResponse(
            {
                "value": [_contract(gateway) for gateway in gateways[start:end]],
                "count": len(gateways),
                "nextLink": link if end < len(gateways) else "",
            }
        )

    def _permissions(self) -> Response:
        """Answer what the caller may do: "Permissions - List For Resource" (Microsoft.Authorization)."""
        granted = {"actions": ["*"], "notActions": sorted(self._azure.denied)}
        return JSONResponse({"value": [granted | {"dataActions": [], "notDataActions": []}]})

    def _generate_token(self, gateway: Gateway, body: Json) -> Response:
        key, now = _key(body), self._azure.now()
        try:
            expires_at = datetime.fromisoformat(str(body.get("expiry")))
        except ValueError:
            raise _invalid("expiry", "The expiry is not a date and time.") from None
        if expires_at.tzinfo is None:
            raise _invalid("expiry", "The expiry has no offset from UTC.")
        if not now < expires_at <= now + MAX_LIFETIME:
            raise _invalid("expiry", "The expiry must be in the future and at most 30 days from now.")
        return JSONResponse({"value": gateway.mint(key, expires_at)})


def _regenerate_key(gateway: Gateway, body: Json) -> Response:
    gateway.regenerate(_key(body))
    return Response(status_code=204)


def _list_keys(gateway: Gateway, _body: Json) -> Response:
    return JSONResponse(dict(gateway.keys))


def _contract(gateway: Gateway) -> Json:
    return {
        "id": gateway.resource_id,
        "type": PROVIDER,
        "name": gateway.name,
        "properties": {"locationData": {"name": "sandbox"}, "description": ""},
    }


def _key(body: Json) -> str:
    key = body.get("keyType")
    if key not in KEYS:
        raise _invalid("keyType", "The key type is 'primary' or 'secondary'.")
    return str(key)


def _invalid(target: str, message: str) -> ArmError:
    detail = {"code": "ValidationError", "target": target, "message": message}
    return ArmError(400, "ValidationError", "One or more fields contain incorrect values:", detail)


async def _body(request: Request) -> Json:
    raw = await request.body()
    if not raw:
        return {}
    try:
        parsed = await request.json()
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise ArmError(400, "InvalidRequestContent", "The request content was invalid: no JSON object.")
    return parsed
