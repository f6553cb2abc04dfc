"""Each contract test runs twice: against the sandbox's API and against a real one."""

from __future__ import annotations

import pytest
import pytest_asyncio

from tests.cluster.world import World


@pytest.fixture(params=["sandbox", "real"])
def world(request: pytest.FixtureRequest) -> World:
    found: World = request.getfixturevalue({"sandbox": "sandboxed", "real": "real"}[request.param])
    return found


@pytest_asyncio.fixture(loop_scope="session")
async def namespace(world: World) -> str:
    return await world.namespace()
