"""The sandbox's namespace, pulled a hundred times as fast as Azure's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.world import Sandbox
from tests.eventgrid.pull.pull_env import SUBSCRIPTION, TOPIC, Namespace


@pytest.fixture
async def sandbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sandbox]:
    async with Sandbox(tmp_path, ready_delay=0.01, term_delay=0.01) as sandbox:
        sandbox.namespace.time_scale = 0.01
        for name, value in sandbox.identity_env.items():
            monkeypatch.setenv(name, value)
        yield sandbox


@pytest.fixture
async def namespace(sandbox: Sandbox) -> Namespace:
    return Namespace(sandbox, await sandbox.route(TOPIC, SUBSCRIPTION))
