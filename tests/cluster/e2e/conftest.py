from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from rotator.sandbox import Sandbox
from tests.chart.helm import REASON, Helm, find
from tests.cluster.conftest import missing
from tests.cluster.e2e.town import Town
from tests.cluster.world import World


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    command = find()
    if command is None:
        missing(REASON)
    return Helm(command, tmp_path_factory.mktemp("helm"))


@pytest_asyncio.fixture(loop_scope="session")
async def town(real: World, helm: Helm, tmp_path: Path) -> AsyncIterator[Town]:
    """The real cluster with an Azure of this test's own; what was deployed is deleted after it."""
    async with Sandbox(tmp_path / "sandbox") as sandbox:
        made = Town(real, sandbox, helm, tmp_path)
        yield made
        for namespace in made.namespaces:
            made.kubelet.behavior.order(namespace, None)
            made.kubelet.programs.pop(namespace, None)
            await real.api.delete("Namespace", "", namespace)
