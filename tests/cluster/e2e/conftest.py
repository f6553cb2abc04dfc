from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox import Sandbox
from tests.chart.helm import REASON, Helm, find
from tests.cluster.conftest import missing
from tests.cluster.e2e.account import USER
from tests.cluster.e2e.process_env import ClusterEnv
from tests.cluster.plane import audit
from tests.cluster.plane.control import ControlPlane
from tests.cluster.plane.spoiling import spoilt
from tests.cluster.world import World


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    command = find()
    if command is None:
        missing(REASON)
    return Helm(command, tmp_path_factory.mktemp("helm"))


@pytest_asyncio.fixture(scope="session", loop_scope="session", autouse=True)
async def enough_rights(own_plane: ControlPlane | None) -> AsyncIterator[None]:
    """Whatever the tests had daemons and commands do, the chart's Roles allowed it: told by the audit log."""
    yield
    if own_plane:
        refused = {c for c in audit.calls(own_plane.audit, USER) if not c.allowed}
        assert not refused, sorted(refused)


@pytest_asyncio.fixture(loop_scope="session")
async def env(real: World, helm: Helm, tmp_path: Path) -> AsyncIterator[ClusterEnv]:
    """The real cluster with an Azure of this test's own; what was deployed is deleted after it."""
    async with _made_env(real, helm, tmp_path) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="session")
async def faulty_envs(real: World, helm: Helm, tmp_path: Path) -> AsyncIterator[list[ClusterEnv]]:
    """Two whose daemons reach the API server by ways that their sandboxes' faults (`kubernetes`) spoil."""
    async with (
        _made_env(real, helm, tmp_path / "one") as one,
        _made_env(real, helm, tmp_path / "other") as other,
        spoilt(real.reach, one.sandbox.faults, tmp_path / "one" / "way") as one.way,
        spoilt(real.reach, other.sandbox.faults, tmp_path / "other" / "way") as other.way,
    ):
        yield [one, other]
        for env in (one, other):
            env.sandbox.faults.clear()


@pytest_asyncio.fixture(loop_scope="session")
async def two_clusters(real: World, helm: Helm, tmp_path: Path) -> AsyncIterator[ClusterEnv]:
    """The real cluster, and one of the sandbox's as a second context."""
    async with _made_env(real, helm, tmp_path, ["harbour"]) as made:
        yield made


@asynccontextmanager
async def _made_env(
    real: World, helm: Helm, directory: Path, clusters: Sequence[str] = ()
) -> AsyncIterator[ClusterEnv]:
    async with Sandbox(directory / "sandbox", clusters=clusters) as sandbox:
        made = ClusterEnv(real, sandbox, helm, directory)
        yield made
        for namespace in made.namespaces:
            made.kubelet.behavior.order(namespace, None)
            made.kubelet.programs.pop(namespace, None)
            await real.api.delete("Namespace", "", namespace)
