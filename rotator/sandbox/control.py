"""The sandbox's control API, for other processes and for people with curl."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rotator.sandbox import views
from rotator.sandbox.azure.delivery import HandshakeError
from rotator.sandbox.azure.events import EXPIRED, NEAR_EXPIRY, Schema, token_event
from rotator.sandbox.azure.keys import Gateway
from rotator.sandbox.faults import Action, FaultError, When

if TYPE_CHECKING:
    from rotator.sandbox.world import Sandbox

Json = dict[str, Any]
KINDS = {"near-expiry": NEAR_EXPIRY, "expired": EXPIRED}
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")
LONGEST_WAIT = 60.0
LOOPBACK = ("http://127.0.0.1:", "http://localhost:")


class _Fault(BaseModel, extra="forbid"):
    """The arguments of `Faults.add`."""

    server: str
    action: Action
    when: When = "before"
    method: str | None = None
    path: str | None = None
    skip: int = Field(0, ge=0)
    times: int | None = Field(1, ge=1)
    seconds: float = Field(0.0, ge=0)
    status: int = Field(503, ge=200, le=599)
    retry_after: float | None = Field(None, ge=0)
    body: str | None = None


class _Route(BaseModel, extra="forbid"):
    """The arguments of `Sandbox.route`."""

    topic: str = Field("gateway-tokens", pattern="^[A-Za-z0-9-]+$")
    subscription: str = Field("rotator", pattern="^[A-Za-z0-9-]+$")
    lock_seconds: float = Field(60.0, gt=0)


class _BadInputError(Exception):
    """Answered with 400 and this sentence."""


def control_api(sandbox: Sandbox) -> Starlette:
    """The routes:

    GET /state · GET /pods · GET /calls?server=&method=&path= · GET /traffic/{namespace}/{pod} ·
    POST /faults · GET /faults/{id}?wait=SECONDS · DELETE /faults ·
    POST /subscriptions {endpoint, schema, headers?, audience?} · POST /routes {topic?, subscription?,
    lock_seconds?} · POST /sick {namespace, workload, behavior} · POST /events {gateway, kind, expires_at?,
    count?, schema?}. `audience`: deliver with a bearer token of Entra for it.
    Bad input is answered with 400 and a sentence.
    """
    api = _Control(sandbox)
    return Starlette(
        routes=[
            Route("/state", _guard(api.state)),
            Route("/pods", _guard(api.pods)),
            Route("/calls", _guard(api.calls)),
            Route("/traffic/{namespace}/{pod}", _guard(api.traffic)),
            Route("/faults", _guard(api.add_fault), methods=["POST"]),
            Route("/faults", _guard(api.clear_faults), methods=["DELETE"]),
            Route("/faults/{id:int}", _guard(api.fault)),
            Route("/subscriptions", _guard(api.subscribe), methods=["POST"]),
            Route("/routes", _guard(api.route), methods=["POST"]),
            Route("/events", _guard(api.publish), methods=["POST"]),
            Route("/sick", _guard(api.sick), methods=["POST"]),
        ]
    )


def _guard(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def guarded(request: Request) -> Response:
        try:
            return await handler(request)
        except ValidationError as problem:
            found = "; ".join(f"{error['loc'][0]}: {error['msg']}" for error in problem.errors())
            return JSONResponse({"error": found}, 400)
        except (_BadInputError, FaultError, HandshakeError) as problem:
            return JSONResponse({"error": str(problem)}, 400)

    return guarded


class _Control:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def state(self, _request: Request) -> Response:
        sandbox = self._sandbox
        return JSONResponse(
            {
                "gateways": [views.gateway(gateway) for gateway in sandbox.azure.gateways],
                "pods": [views.pod(pod) for pod in sandbox.gateway_pods.latest()],
                "deliveries": [views.with_time(delivery) for delivery in sandbox.eventgrid.deliveries],
                "calls": sandbox.journal.total,
            }
        )

    async def pods(self, _request: Request) -> Response:
        return JSONResponse([views.pod(pod) for pod in await self._sandbox.pods()])

    async def calls(self, request: Request) -> Response:
        asked = request.query_params
        try:
            found = self._sandbox.journal.calls(asked.get("server"), asked.get("method"), asked.get("path"))
        except re.error as problem:
            raise _BadInputError(f"path is no regular expression: {problem}") from problem
        return JSONResponse([views.with_time(call) for call in found])

    async def traffic(self, request: Request) -> Response:
        """What a caller of the gateway gets from this pod."""
        answer = self._sandbox.gateway_pods.answer(
            request.path_params["namespace"], request.path_params["pod"]
        )
        if answer is None:
            return JSONResponse({"error": "no such gateway pod runs"}, 404)
        return Response(answer[1], answer[0], media_type="application/json")

    async def add_fault(self, request: Request) -> Response:
        asked = _Fault.model_validate(await _object(request))
        return JSONResponse(views.rule(self._sandbox.faults.add(**asked.model_dump())), 201)

    async def fault(self, request: Request) -> Response:
        rule = self._sandbox.faults.find(request.path_params["id"])
        if rule is None:
            return JSONResponse({"error": "no such fault; it may have been cleared"}, 404)
        try:
            wait = min(float(request.query_params.get("wait", 0)), LONGEST_WAIT)
        except ValueError:
            raise _BadInputError("wait is a number of seconds") from None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await rule.hit()
        return JSONResponse(views.rule(rule))

    async def clear_faults(self, _request: Request) -> Response:
        self._sandbox.faults.clear()
        return Response(status_code=204)

    async def subscribe(self, request: Request) -> Response:
        body = await _object(request)
        schema, endpoint = _schema(body), body.get("endpoint")
        if not isinstance(endpoint, str) or not endpoint.startswith(LOOPBACK):
            raise _BadInputError("endpoint is an http URL on this machine: http://127.0.0.1:PORT/...")
        headers, audience = body.get("headers", {}), body.get("audience")
        if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
            raise _BadInputError("headers are delivery properties: names and texts")
        entra = self._sandbox.azure.entra
        await self._sandbox.eventgrid.subscribe(
            endpoint,
            schema=schema,
            name=str(body.get("name", "rotator")),
            headers=headers,
            bearer=(lambda: entra.event_grid_token(audience)) if isinstance(audience, str) else None,
        )
        return Response(status_code=201)

    async def route(self, request: Request) -> Response:
        """Let the system topic's events be pulled from a namespace topic; answers where."""
        asked = _Route.model_validate(await _object(request))
        await self._sandbox.route(asked.topic, asked.subscription, lock_seconds=asked.lock_seconds)
        return JSONResponse({"endpoint": self._sandbox.namespace_url}, 201)

    async def publish(self, request: Request) -> Response:
        body = await _object(request)
        gateway, schema, kind = self._gateway(body), _schema(body), body.get("kind")
        if kind not in KINDS:
            raise _BadInputError(f"kind is one of {', '.join(KINDS)}")
        count = body.get("count", 1)
        if not isinstance(count, int) or not 1 <= count <= 10_000:
            raise _BadInputError("count is a number from 1 to 10000")
        expires_at = self._expiry(body, gateway)
        events = [
            token_event(gateway, KINDS[kind], expires_at, f"{gateway.name}-{n}", schema=schema)
            for n in range(count)
        ]
        ids = await self._sandbox.eventgrid.deliver(events)
        return JSONResponse({"ids": ids, "expires_at": expires_at.isoformat()}, 202)

    async def sick(self, request: Request) -> Response:
        body = await _object(request)
        namespace, workload, behavior = body.get("namespace"), body.get("workload"), body.get("behavior")
        if not isinstance(namespace, str) or not isinstance(workload, str):
            raise _BadInputError("namespace and workload are names")
        if behavior is not None and not isinstance(behavior, str):
            raise _BadInputError("behavior is a word, or null for healthy")
        if not any(self._sandbox.cluster.get(kind, namespace, workload) for kind in WORKLOADS):
            raise _BadInputError(f"there is no workload {workload} in namespace {namespace}")
        try:
            self._sandbox.cluster.sick(namespace, workload, behavior)
        except (ValueError, LookupError) as problem:
            raise _BadInputError(str(problem)) from problem
        return Response(status_code=204)

    def _gateway(self, body: Json) -> Gateway:
        asked = str(body.get("gateway", ""))
        by_id = self._sandbox.azure.find(asked)
        found = [by_id] if by_id else self._sandbox.azure.named(asked)
        if len(found) != 1:
            raise _BadInputError(f"gateway is the name or ARM id of one; {len(found)} match {asked!r}")
        return found[0]

    def _expiry(self, body: Json, gateway: Gateway) -> datetime:
        if "expires_at" not in body:
            pods = [pod for pod in self._sandbox.gateway_pods.latest() if pod.gateway == gateway.name]
            expiries = [pod.expires_at for pod in pods if pod.expires_at]
            if not expiries:
                raise _BadInputError("no pod of this gateway runs a token: say which expires_at you mean")
            return min(expiries)
        try:
            at = datetime.fromisoformat(str(body["expires_at"]))
        except ValueError:
            raise _BadInputError("expires_at is a time such as 2030-01-02T03:04:00Z") from None
        return at if at.tzinfo else at.replace(tzinfo=UTC)


async def _object(request: Request) -> Json:
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise _BadInputError("the body is a JSON object")
    return body


def _schema(body: Json) -> Schema:
    schema = body.get("schema", "eventgrid")
    for known in get_args(Schema):
        if schema == known:
            return schema  # type: ignore[no-any-return]  # it equals one of the literals
    raise _BadInputError(f"schema is one of {', '.join(get_args(Schema))}")
