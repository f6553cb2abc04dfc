"""The sandbox's control API, for other processes and for curl."""

from __future__ import annotations

import asyncio
import contextlib
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, get_args

from pydantic import BaseModel, Field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox import serializers
from sandbox.azure.events import EXPIRED, NEAR_EXPIRY, Schema, token_event
from sandbox.azure.keys import Gateway
from sandbox.common import WORKLOADS, Json
from sandbox.control_requests import BadInputError, guard, named_cluster, named_gateway, read_object
from sandbox.control_routes import control_routes
from sandbox.faults import Action, When
from sandbox.names import HOME

if TYPE_CHECKING:
    from sandbox.world import Sandbox

KINDS = {"near-expiry": NEAR_EXPIRY, "expired": EXPIRED}
MAX_WAIT = 60.0
"""Seconds that one request waits for a fault at most."""
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


def control_api(sandbox: Sandbox) -> Starlette:
    """Return the application with these routes.

    GET /state · GET /pods · GET /calls?server=&method=&path= · GET /traffic/{namespace}/{pod}?cluster= ·
    POST /faults · GET /faults/{id}?wait=SECONDS · DELETE /faults ·
    POST /subscriptions {endpoint, schema, headers?, audience?} · POST /routes {topic?, subscription?,
    lock_seconds?} · POST /pod-faults {namespace, workload, fault, cluster?} ·
    POST /events {gateway, kind, expires_at?, count?, schema?}; and those of `control_routes`.
    `audience`: deliver with a bearer token of Entra for it. Wrong input is answered with 400 and a sentence.
    """
    api = _Control(sandbox)
    return Starlette(
        routes=[
            Route("/state", guard(api.state)),
            Route("/pods", guard(api.pods)),
            Route("/calls", guard(api.calls)),
            Route("/traffic/{namespace}/{pod}", guard(api.traffic)),
            Route("/faults", guard(api.add_fault), methods=["POST"]),
            Route("/faults", guard(api.clear_faults), methods=["DELETE"]),
            Route("/faults/{id:int}", guard(api.fault)),
            Route("/subscriptions", guard(api.subscribe), methods=["POST"]),
            Route("/routes", guard(api.route), methods=["POST"]),
            Route("/events", guard(api.publish), methods=["POST"]),
            Route("/pod-faults", guard(api.set_pod_fault), methods=["POST"]),
            *control_routes(sandbox),
        ]
    )


class _Control:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def state(self, _request: Request) -> Response:
        sandbox = self._sandbox
        return JSONResponse(
            {
                "gateways": [serializers.gateway(gateway) for gateway in sandbox.azure.gateways],
                "pods": [serializers.pod(pod) for pod in sandbox.gateway_pods.latest()],
                "deliveries": [serializers.with_time(delivery) for delivery in sandbox.eventgrid.deliveries],
                "calls": sandbox.journal.total,
            }
        )

    async def pods(self, _request: Request) -> Response:
        return JSONResponse([serializers.pod(pod) for pod in await self._sandbox.pods()])

    async def calls(self, request: Request) -> Response:
        query = request.query_params
        try:
            found = self._sandbox.journal.calls(query.get("server"), query.get("method"), query.get("path"))
        except re.error as error:
            raise BadInputError(f"path is not a regular expression: {error}") from error
        return JSONResponse([serializers.with_time(call) for call in found])

    async def traffic(self, request: Request) -> Response:
        """Answer as this gateway pod answers a caller of its API."""
        answer = self._sandbox.gateway_pods.answer(
            request.path_params["namespace"],
            request.path_params["pod"],
            request.query_params.get("cluster", HOME),
        )
        if answer is None:
            return JSONResponse({"error": "there is no such gateway pod"}, 404)
        return Response(answer[1], answer[0], media_type="application/json")

    async def add_fault(self, request: Request) -> Response:
        fault = _Fault.model_validate(await read_object(request))
        return JSONResponse(serializers.rule(self._sandbox.faults.add(**fault.model_dump())), 201)

    async def fault(self, request: Request) -> Response:
        rule = self._sandbox.faults.find(request.path_params["id"])
        if rule is None:
            return JSONResponse({"error": "there is no such fault; it may have been cleared"}, 404)
        try:
            wait = min(float(request.query_params.get("wait", 0)), MAX_WAIT)
        except ValueError:
            raise BadInputError("wait must be a number of seconds") from None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await rule.hit()
        return JSONResponse(serializers.rule(rule))

    async def clear_faults(self, _request: Request) -> Response:
        self._sandbox.faults.clear()
        return Response(status_code=204)

    async def subscribe(self, request: Request) -> Response:
        body = await read_object(request)
        schema, endpoint = _schema(body), body.get("endpoint")
        if not isinstance(endpoint, str) or not endpoint.startswith(LOOPBACK):
            raise BadInputError("endpoint must be an http URL on this machine: http://127.0.0.1:PORT/...")
        headers, audience = body.get("headers", {}), body.get("audience")
        if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
            raise BadInputError("headers must be delivery properties: names and strings")
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
        """Deliver the system topic's events to a namespace topic too; answer where to pull them."""
        body = _Route.model_validate(await read_object(request))
        await self._sandbox.route(body.topic, body.subscription, lock_seconds=body.lock_seconds)
        return JSONResponse({"endpoint": self._sandbox.namespace_url}, 201)

    async def publish(self, request: Request) -> Response:
        body = await read_object(request)
        gateway, schema, kind = (
            named_gateway(self._sandbox, str(body.get("gateway", ""))),
            _schema(body),
            body.get("kind"),
        )
        if kind not in KINDS:
            raise BadInputError(f"kind must be one of {', '.join(KINDS)}")
        count = body.get("count", 1)
        if not isinstance(count, int) or not 1 <= count <= 10_000:
            raise BadInputError("count must be a number from 1 to 10000")
        expires_at = self._expiry(body, gateway)
        events = [
            token_event(gateway, KINDS[kind], expires_at, f"{gateway.name}-{number}", schema=schema)
            for number in range(count)
        ]
        ids = await self._sandbox.eventgrid.deliver(events)
        return JSONResponse({"ids": ids, "expires_at": expires_at.isoformat()}, 202)

    async def set_pod_fault(self, request: Request) -> Response:
        body = await read_object(request)
        namespace, workload, fault = body.get("namespace"), body.get("workload"), body.get("fault")
        if not isinstance(namespace, str) or not isinstance(workload, str):
            raise BadInputError("namespace and workload must be names")
        if fault is not None and not isinstance(fault, str):
            raise BadInputError("fault must be the name of a fault, or null for none")
        cluster = named_cluster(self._sandbox, str(body.get("cluster", HOME))).cluster
        if not any(cluster.get(kind, namespace, workload) for kind in WORKLOADS):
            raise BadInputError(f"there is no workload {workload} in namespace {namespace}")
        try:
            cluster.set_pod_fault(namespace, workload, fault)
        except ValueError as error:
            raise BadInputError(str(error)) from error
        return Response(status_code=204)

    def _expiry(self, body: Json, gateway: Gateway) -> datetime:
        if "expires_at" not in body:
            pods = [pod for pod in self._sandbox.gateway_pods.latest() if pod.gateway == gateway.name]
            expiries = [pod.expires_at for pod in pods if pod.expires_at]
            if not expiries:
                raise BadInputError("no pod of this gateway has a token that expires; send expires_at")
            return min(expiries)
        try:
            at = datetime.fromisoformat(str(body["expires_at"]))
        except ValueError:
            raise BadInputError("expires_at must be a time such as 2030-01-02T03:04:00Z") from None
        return at if at.tzinfo else at.replace(tzinfo=UTC)


def _schema(body: Json) -> Schema:
    schema = body.get("schema", "eventgrid")
    for known in get_args(Schema):
        if schema == known:
            return schema  # type: ignore[no-any-return]  # it equals one of the literals
    raise BadInputError(f"schema must be one of {', '.join(get_args(Schema))}")
