"""What all routes of the control API share: bodies are objects, mistakes are answered with a sentence."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.azure.delivery import HandshakeError
from sandbox.azure.keys import Gateway
from sandbox.faults import FaultError
from sandbox.sites import Site

if TYPE_CHECKING:
    from sandbox.world import Sandbox

Json = dict[str, Any]
Handler = Callable[[Request], Awaitable[Response]]


class BadInputError(Exception):
    """Answered with 400 and this sentence."""


def guard(handler: Handler) -> Handler:
    """Have mistakes answered with 400."""

    async def guarded(request: Request) -> Response:
        try:
            return await handler(request)
        except ValidationError as problem:
            found = "; ".join(f"{error['loc'][0]}: {error['msg']}" for error in problem.errors())
            return JSONResponse({"error": found}, 400)
        except (BadInputError, FaultError, HandshakeError) as problem:
            return JSONResponse({"error": str(problem)}, 400)

    return guarded


async def read_object(request: Request) -> Json:
    """Raises BadInputError for anything else."""
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise BadInputError("the body is a JSON object")
    return body


def named_gateway(sandbox: Sandbox, asked: str) -> Gateway:
    """The gateway of this name or ARM id. Raises BadInputError unless there is one."""
    by_id = sandbox.azure.find(asked)
    found = [by_id] if by_id else sandbox.azure.named(asked)
    if len(found) != 1:
        raise BadInputError(f"gateway is the name or ARM id of one; {len(found)} match {asked!r}")
    return found[0]


def named_site(sandbox: Sandbox, asked: str) -> Site:
    """The cluster of this name. Raises BadInputError if there is none."""
    if asked not in sandbox.sites:
        raise BadInputError(f"cluster is one of {', '.join(sandbox.sites)}; not {asked!r}")
    return sandbox.sites[asked]
