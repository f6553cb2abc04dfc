"""The simulated Azure, served over HTTP, without a cluster."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from azure.core.pipeline.transport import AioHttpTransport
from azure.identity.aio import ManagedIdentityCredential
from azure.mgmt.apimanagement.aio import ApiManagementClient

from sandbox import serve, tls
from sandbox.azure import Azure, Gateway, identity
from sandbox.azure.account import SUBSCRIPTION
from sandbox.azure.arm import Arm
from sandbox.azure.configuration import Configuration
from sandbox.azure.eventgrid import PATH, EventGrid
from sandbox.faults import Faults
from sandbox.journal import Journal


@dataclass
class Cloud:
    azure: Azure
    eventgrid: EventGrid
    faults: Faults
    journal: Journal
    urls: dict[str, str]
    ca: Path

    @property
    def identity_env(self) -> dict[str, str]:
        return {
            "IDENTITY_ENDPOINT": self.urls["identity"] + identity.PATH,
            "IDENTITY_HEADER": self.azure.identity.header,
        }


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    azure, eventgrid, faults, journal = Azure(), EventGrid(), Faults(), Journal()
    files = tls.create(tmp_path)
    apps = {
        "arm": Arm(azure),
        "identity": azure.identity,
        "configuration": Configuration(azure),
        "eventgrid": eventgrid,
    }
    wrapped = {name: journal.around(name, faults.around(name, app)) for name, app in apps.items()}
    async with serve.serving(wrapped, {"arm": files}) as urls, eventgrid:
        eventgrid.url = urls["eventgrid"] + PATH
        yield Cloud(azure, eventgrid, faults, journal, urls, files.ca)
        faults.clear()


@pytest.fixture
async def arm(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[..., ApiManagementClient]]:
    """Creates real management clients that get their bearer token from the sandbox's identity endpoint."""
    for name, value in cloud.identity_env.items():
        monkeypatch.setenv(name, value)
    async with AsyncExitStack() as stack:
        context = ssl.create_default_context(cafile=str(cloud.ca))
        session = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context))
        )
        credential = await stack.enter_async_context(ManagedIdentityCredential())

        def create(**options: Any) -> ApiManagementClient:
            transport = AioHttpTransport(session=session, session_owner=False)
            return ApiManagementClient(
                credential,
                SUBSCRIPTION,
                base_url=cloud.urls["arm"],
                transport=transport,
                retry_total=0,
                **options,
            )

        yield create


@pytest.fixture
def oslo(cloud: Cloud) -> Gateway:
    return cloud.azure.add_gateway("oslo")
