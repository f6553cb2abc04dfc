"""Routes of the control API for faults around a rotation: clusters, clocks, permissions, other writers."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox import serializers
from sandbox.azure.keys import KEYS
from sandbox.conflicting_writers import ConflictingWriterError, What
from sandbox.control_requests import BadInputError, guard, named_cluster, named_gateway, read_object
from sandbox.names import HOME

if TYPE_CHECKING:
    from sandbox.world import Sandbox


class _Reachability(BaseModel, extra="forbid"):
    """Whether a cluster's API is reachable, and how many seconds its answers are late."""

    up: bool | None = None
    delay: float | None = Field(None, ge=0)


class _Clock(BaseModel, extra="forbid"):
    """Seconds by which Azure's clock is ahead of this machine's."""

    offset: float = Field(ge=-86_400, le=86_400)


class _Permission(BaseModel, extra="forbid"):
    """An action of ARM, and whether it is allowed."""

    action: str
    allowed: bool


class _Key(BaseModel, extra="forbid"):
    """A gateway's key that is to be regenerated, as an operator may do in the portal."""

    gateway: str
    key: str


class _GatewayBehavior(BaseModel, extra="forbid"):
    """How a gateway behaves; see `azure.keys.Gateway`."""

    gateway: str
    strict: bool | None = None
    deterministic: bool | None = None


class _ConflictingWriter(BaseModel, extra="forbid"):
    """The arguments of `ConflictingWriters.start`."""

    kind: str
    namespace: str
    name: str
    what: What = "value"
    manager: str = "argocd-controller"
    delay: float = Field(0.05, ge=0)
    times: int | None = Field(None, ge=1)
    cluster: str = HOME


def control_routes(sandbox: Sandbox) -> list[Route]:
    """Return these routes.

    GET /clusters · POST /clusters/{name} {up?, delay?} · POST /clock {offset} ·
    POST /permissions {action, allowed} · POST /keys {gateway, key}: regenerates the key ·
    POST /gateway-behavior {gateway, strict?, deterministic?} · GET /conflicting-writers ·
    POST /conflicting-writers {kind, namespace, name, what?, manager?, delay?, times?, cluster?} ·
    DELETE /conflicting-writers/{id}.
    """
    routes = _ControlRoutes(sandbox)
    writers = "/conflicting-writers"
    return [
        Route("/clusters", guard(routes.clusters)),
        Route("/clusters/{name}", guard(routes.set_reachability), methods=["POST"]),
        Route("/clock", guard(routes.set_clock), methods=["POST"]),
        Route("/permissions", guard(routes.set_permission), methods=["POST"]),
        Route("/keys", guard(routes.regenerate_key), methods=["POST"]),
        Route("/gateway-behavior", guard(routes.set_gateway_behavior), methods=["POST"]),
        Route(writers, guard(routes.conflicting_writers)),
        Route(writers, guard(routes.start_conflicting_writer), methods=["POST"]),
        Route(f"{writers}/{{id:int}}", guard(routes.stop_conflicting_writer), methods=["DELETE"]),
    ]


class _ControlRoutes:
    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def clusters(self, _request: Request) -> Response:
        return JSONResponse([serializers.cluster(cluster) for cluster in self._sandbox.clusters.values()])

    async def set_reachability(self, request: Request) -> Response:
        body = _Reachability.model_validate(await read_object(request))
        cluster = named_cluster(self._sandbox, request.path_params["name"])
        if body.delay is not None:
            cluster.delay = body.delay
        if body.up is not None:
            await (cluster.recover() if body.up else cluster.outage())
        return JSONResponse(serializers.cluster(cluster))

    async def set_clock(self, request: Request) -> Response:
        body = _Clock.model_validate(await read_object(request))
        self._sandbox.azure.shift(timedelta(seconds=body.offset))
        return JSONResponse({"now": self._sandbox.azure.time().isoformat()})

    async def set_permission(self, request: Request) -> Response:
        body = _Permission.model_validate(await read_object(request))
        denied = self._sandbox.azure.denied
        (denied.discard if body.allowed else denied.add)(body.action)
        return JSONResponse({"denied": sorted(denied)})

    async def regenerate_key(self, request: Request) -> Response:
        body = _Key.model_validate(await read_object(request))
        if body.key not in KEYS:
            raise BadInputError(f"key must be one of {', '.join(KEYS)}")
        gateway = named_gateway(self._sandbox, body.gateway)
        gateway.regenerate(body.key)
        return JSONResponse({"generations": dict(gateway.generations)})

    async def set_gateway_behavior(self, request: Request) -> Response:
        body = _GatewayBehavior.model_validate(await read_object(request))
        gateway = named_gateway(self._sandbox, body.gateway)
        if body.strict is not None:
            gateway.strict = body.strict
        if body.deterministic is not None:
            gateway.deterministic = body.deterministic
        return JSONResponse({"strict": gateway.strict, "deterministic": gateway.deterministic})

    async def conflicting_writers(self, _request: Request) -> Response:
        active = self._sandbox.conflicting_writers.active.values()
        return JSONResponse([serializers.conflicting_writer(writer) for writer in active])

    async def start_conflicting_writer(self, request: Request) -> Response:
        body = _ConflictingWriter.model_validate(await read_object(request))
        try:
            writer = self._sandbox.conflicting_writers.start(**body.model_dump())
        except ConflictingWriterError as error:
            raise BadInputError(str(error)) from error
        return JSONResponse(serializers.conflicting_writer(writer), 201)

    async def stop_conflicting_writer(self, request: Request) -> Response:
        writer = self._sandbox.conflicting_writers.active.get(request.path_params["id"])
        if writer is None:
            return JSONResponse({"error": "there is no such writer; it may have been stopped already"}, 404)
        await self._sandbox.conflicting_writers.stop(writer)
        return JSONResponse(serializers.conflicting_writer(writer))
