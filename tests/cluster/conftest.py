"""A real control plane for the whole session, beside the sandbox's; both in one event loop with the tests."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox.cluster.kubelet import Delays
from tests.cluster.kubelet.fake import Kubelet
from tests.cluster.plane import programs, reach
from tests.cluster.plane.control import ControlPlane
from tests.cluster.world import World, sandbox_world

_HERE = Path(__file__).parent
_found: list[programs.Programs | programs.NothingToRunError] = []
DELAYS = Delays(ready=0.2, term=0.1, retry=0.1)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "cluster: needs a real Kubernetes control plane")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run only when asked for, by `-m cluster` or by path."""
    ours = [item for item in items if _HERE in item.path.parents]
    for item in ours:
        item.add_marker("cluster")
        item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
    if "cluster" not in config.option.markexpr and not any("tests/cluster" in arg for arg in config.args):
        items[:] = [item for item in items if item not in set(ours)]
        config.hook.pytest_deselected(items=ours)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build before the clock of the first test runs."""
    chosen = any(_HERE in item.path.parents for item in session.items)
    if chosen and not session.config.option.collectonly and not os.environ.get("KUBECONFIG_TEST"):
        try:
            _found.append(asyncio.run(programs.find()))
        except programs.NothingToRunError as problem:
            _found.append(problem)


def missing(reason: str) -> None:
    if os.environ.get("CI") == "true" or os.environ.get("ROTATOR_CLUSTER_REQUIRED") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def own_plane(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ControlPlane | None]:
    """The control plane that this session started; None if the user brought a cluster."""
    if os.environ.get("KUBECONFIG_TEST"):
        yield None
        return
    found = _found[0]
    if isinstance(found, programs.NothingToRunError):
        missing(str(found))
        return
    async with ControlPlane(tmp_path_factory.mktemp("plane"), found) as plane:
        yield plane


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def real(
    own_plane: ControlPlane | None, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """The real cluster as its administrator, with our nodes in it."""
    if own_plane:
        way, kubeconfig = own_plane.reach, own_plane.kubeconfig
    else:
        kubeconfig = Path(os.environ["KUBECONFIG_TEST"]).expanduser()
        way = reach.read(kubeconfig, tmp_path_factory.mktemp("reach"))
    async with way.api() as api, Kubelet(api, delays=DELAYS) as kubelet:
        yield World("real", api, way, kubelet=kubelet, plane=own_plane)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sandboxed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """The sandbox's cluster, served over TLS."""
    async with sandbox_world(tmp_path_factory.mktemp("sandbox"), DELAYS) as world:
        yield world


@pytest.fixture
def plane(own_plane: ControlPlane | None) -> ControlPlane:
    """Our own control plane: one that may be killed, paused and audited."""
    if own_plane is None:
        pytest.skip("the cluster of KUBECONFIG_TEST is not ours to break")
    return own_plane
