"""Reads requests of the control API: bodies are objects, wrong input is answered with a sentence."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.azure.delivery import HandshakeError
from sandbox.azure.keys import Gateway
from sandbox.cluster_endpoints import ClusterEndpoint
from sandbox.common import Json
from sandbox.faults import FaultError

if TYPE_CHECKING:
    from sandbox.world import Sandbox

Handler = Callable[[Request], Awaitable[Response]]


class BadInputError(Exception):
    """Wrong input: the answer is 400 with this sentence."""


def guard(handler: Handler) -> Handler:
    """Return the handler, with wrong input answered with 400."""

    async def guarded(request: Request) -> Response:
        try:
            return await handler(request)
        except ValidationError as error:
            mistakes = "; ".join(f"{mistake['loc'][0]}: {mistake['msg']}" for mistake in error.errors())
            return JSONResponse({"error": mistakes}, 400)
        except (BadInputError, FaultError, HandshakeError) as error:
            return JSONResponse({"error": str(error)}, 400)

    return guarded


async def read_object(request: Request) -> Json:
    """Return the body. Raises BadInputError unless it is a JSON object."""
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise BadInputError("the body must be a JSON object")
    return body


def named_gateway(sandbox: Sandbox, name: str) -> Gateway:
    """Return the gateway with this name or ARM id. Raises BadInputError unless exactly one matches."""
    by_id = sandbox.azure.find(name)
    found = [by_id] if by_id else sandbox.azure.named(name)
    if len(found) != 1:
        raise BadInputError(f"gateway must be the name or ARM id of one gateway; {len(found)} match {name!r}")
    return found[0]


def named_cluster(sandbox: Sandbox, name: str) -> ClusterEndpoint:
    """Return the cluster with this name. Raises BadInputError if there is none."""
    if name not in sandbox.clusters:
        raise BadInputError(f"cluster must be one of {', '.join(sandbox.clusters)}; {name!r} is not")
    return sandbox.clusters[name]
