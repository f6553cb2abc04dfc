from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox import Sandbox
from tests import crashes
from tests.process.multi_cluster_env import MultiClusterEnv
from tests.process.process_env import ProcessEnv


@pytest.fixture(autouse=True)
def counted(request: pytest.FixtureRequest) -> None:
    """Count each run of the fault matrix for the summary at the end."""
    if request.node.get_closest_marker("faults"):
        params = request.node.callspec.params
        crashes.note(request.node, "processes", str(params["point"]), str(params["fault"]))


@pytest.fixture
async def env(tmp_path: Path) -> AsyncIterator[ProcessEnv]:
    async with Sandbox(tmp_path, ready_delay=0.1, term_delay=0.05) as sandbox:
        yield ProcessEnv(sandbox, tmp_path)


@pytest.fixture
async def multi_env(tmp_path: Path) -> AsyncIterator[MultiClusterEnv]:
    """Three clusters: the home one, harbour and hill."""
    clusters = ("harbour", "hill")
    async with Sandbox(tmp_path, ready_delay=0.1, term_delay=0.05, clusters=clusters) as sandbox:
        yield MultiClusterEnv(sandbox, tmp_path)
