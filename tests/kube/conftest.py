"""The sandbox, and a connection to its Kubernetes API."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from rotator.config import KubernetesSettings
from rotator.kube import Connection, KubeLease
from sandbox.world import Sandbox
from tests.kube.leases import NAME as LEASE_NAME
from tests.kube.leases import Time
from tests.kube.objects import Json, encoded, token
from tests.kube.scene import Scene, deployment, in_days, issued, running, secret, target_store
from tests.kube.two_clusters import TwoClusters, open_two_clusters

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
    return await connect(environ={}, call_timeout=60.0)


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Callable[[], str]:
    """Return the text of all log records, at any level."""
    caplog.set_level(logging.DEBUG)

    def logged() -> str:
        return "\n".join(f"{record.getMessage()} {record.exc_text}" for record in caplog.records)

    return logged


@pytest.fixture
async def scene(sandbox: Sandbox, connection: Connection) -> Scene:
    gateway = sandbox.azure.add_gateway("gw1")
    value, fresh = gateway.mint("primary", in_days(9)), gateway.mint("secondary", in_days(29))
    sandbox.cluster.apply(secret(f"GatewayKey {value}"))
    await running(sandbox, deployment())
    return Scene(sandbox, connection, target_store(connection), value, issued(fresh, in_days(29)))


@pytest.fixture
async def two_clusters(tmp_path: Path) -> AsyncIterator[TwoClusters]:
    async with open_two_clusters(tmp_path) as two_clusters:
        yield two_clusters


@pytest.fixture
def plain_secret(sandbox: Sandbox) -> Json:
    """A Secret that no workload reads."""
    return sandbox.cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "s", "namespace": "default"},
            "data": {"value": encoded(token())},
        }
    )


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def make(connection: Connection, time: Time) -> Callable[..., KubeLease]:
    """Leases of different processes, by identity."""

    def make(identity: str, seconds: float = 30.0, of=connection) -> KubeLease:
        length = timedelta(seconds=seconds)
        return KubeLease(of, "default", LEASE_NAME, identity, length, time.monotonic, time.now)

    return make
