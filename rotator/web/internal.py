"""The port for clients inside the cluster: probes, metrics, and the gateways' state as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Health:
    """Whether this process can do its work. checks: by name (config, kubernetes, azure, webhook); empty text:
    it passed, else a sentence about what is wrong. warnings: sentences by name for the operator; the process
    is ready in spite of them.
    """

    checks: Mapping[str, str]
    warnings: Mapping[str, str] = field(default_factory=dict)

    @property
    def ready(self) -> bool:
        return not any(self.checks.values())


def internal_app(
    health: Callable[[], Health], metrics: Callable[[], tuple[bytes, str]], status: Callable[[], Json]
) -> Starlette:
    """Return the application. metrics: (body, content type). status: plain JSON, no token in it."""

    async def healthz(_: Request) -> Response:
        # Shows only that the event loop runs: a restart helps against nothing else.
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        found = health()
        checks = {name: why or "ok" for name, why in found.checks.items()}
        body = {"ready": found.ready, "checks": checks, "warnings": dict(found.warnings)}
        return JSONResponse(body, 200 if found.ready else 503)

    async def scrape(_: Request) -> Response:
        body, content_type = metrics()
        return Response(body, headers={"content-type": content_type})

    async def gateways(_: Request) -> Response:
        return JSONResponse(status())

    app = Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", scrape),
            Route("/api/v1/gateways", gateways),
        ]
    )
    app.router.redirect_slashes = False
    return app
