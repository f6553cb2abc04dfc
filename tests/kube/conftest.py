"""The sandbox, and a connection to its Kubernetes API."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from rotator.config import KubernetesSettings
from rotator.kube import Connection
from rotator.sandbox.world import Sandbox

Connect = Callable[..., Awaitable[Connection]]


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    async with Sandbox(tmp_path / "sandbox", ready_delay=0.01, term_delay=0.01) as sandbox:
        yield sandbox


@pytest.fixture
async def connect(sandbox: Sandbox) -> AsyncIterator[Connect]:
    """Open further connections, which are closed in the end."""
    async with AsyncExitStack() as stack:

        async def connect(**options) -> Connection:
            settings = options.pop("settings", KubernetesSettings(kubeconfig=sandbox.kubeconfig))
            connection = await Connection.connect(settings, "apim-token-rotator/test", **options)
            stack.push_async_callback(connection.close)
            return connection

        yield connect


@pytest.fixture
async def connection(connect: Connect) -> Connection:
    return await connect(environ={}, patience=5.0)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """Everything that anybody logged, at any level."""
    caplog.set_level(logging.DEBUG)

    def said() -> str:
        return "\n".join(f"{record.getMessage()} {record.exc_text}" for record in caplog.records)

    return said
