from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from rotator.web import Health, Server, bind, internal_app
from tests.web.test_server import ANY, serving


async def get(path: str, health: Health, method: str = "GET") -> tuple[int, str, Any]:
    app = internal_app(
        lambda: health, lambda: (b"a 1\n", "text/plain; version=0.0.4"), lambda: {"gateways": []}
    )
    async with (
        serving(Server(app, bind(ANY), 1)) as url,
        aiohttp.ClientSession() as http,
        http.request(method, url + path, allow_redirects=False) as r,
    ):
        sort = r.headers.get("content-type", "")
        return r.status, sort, await r.json() if "json" in sort else await r.text()


UNREADY = Health({"config": "", "kubernetes": "", "azure": "may not issue tokens", "webhook": ""})
READY = Health(dict.fromkeys(UNREADY.checks, ""))


async def test_healthz_is_fine_even_while_others_are_away() -> None:
    assert (await get("/healthz", UNREADY))[0] == 200


async def test_readyz_names_what_is_wrong() -> None:
    status, _, said = await get("/readyz", UNREADY)
    assert (status, said["ready"], said["checks"]["azure"]) == (503, False, "may not issue tokens")
    assert said["checks"]["kubernetes"] == "ok"


async def test_readyz_is_ready_when_all_is_well() -> None:
    status, _, said = await get("/readyz", READY)
    assert (status, said["ready"]) == (200, True)


async def test_a_warning_is_shown_and_does_not_make_the_process_unready() -> None:
    status, _, said = await get("/readyz", Health(READY.checks, {"config": "cannot be used"}))
    assert (status, said["ready"], said["warnings"]) == (200, True, {"config": "cannot be used"})


async def test_metrics_keep_their_content_type() -> None:
    assert await get("/metrics", READY) == (200, "text/plain; version=0.0.4", "a 1\n")


async def test_gateways_are_json() -> None:
    assert await get("/api/v1/gateways", READY) == (200, "application/json", {"gateways": []})


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/events", 404), ("POST", "/metrics", 405), ("GET", "/", 404)]
)
async def test_there_is_nothing_else(method: str, path: str, status: int) -> None:
    assert (await get(path, READY, method))[0] == status
