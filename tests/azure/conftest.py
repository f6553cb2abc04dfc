"""ARM and a managed identity, served on loopback, and the real SDK in front of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rotator.azure import Arm, ArmIssuer
from rotator.config import AzureSettings, ResourceId
from sandbox import serve, tls
from sandbox.azure import Azure, Gateway, arm, identity
from sandbox.faults import Faults
from sandbox.journal import Journal


@dataclass(slots=True)
class Cloud:
    azure: Azure
    faults: Faults
    journal: Journal
    gateway: Gateway
    settings: AzureSettings
    identity_env: dict[str, str]

    @property
    def resource(self) -> ResourceId:
        return ResourceId.parse(self.gateway.resource_id)

    def calls(self) -> int:
        """How many tokens ARM was asked for."""
        return len(self.journal.calls(server="arm", path_regex="generateToken"))


@pytest.fixture
async def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cloud]:
    azure, faults, journal = Azure(), Faults(), Journal()
    files = tls.create(tmp_path / "tls")
    apps = {"arm": arm.Arm(azure), "identity": azure.identity}
    guarded = {name: journal.around(name, faults.around(name, app)) for name, app in apps.items()}
    async with serve.serving(guarded, {"arm": files}) as urls:
        env = {
            "IDENTITY_ENDPOINT": urls["identity"] + identity.PATH,
            "IDENTITY_HEADER": azure.identity.header,
        }
        for name, value in env.items():
            monkeypatch.setenv(name, value)  # the SDK reads them from the process's environment
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        settings = AzureSettings(endpoint=urls["arm"], ca_file=files.ca)
        yield Cloud(azure, faults, journal, azure.add_gateway("oslo"), settings, env)
        faults.clear()


@pytest.fixture
async def connected(cloud: Cloud) -> AsyncIterator[Arm]:
    async with await Arm.connect(cloud.settings, cloud.identity_env, timedelta(seconds=10)) as connection:
        yield connection


@pytest.fixture
def issuer(cloud: Cloud, connected: Arm) -> ArmIssuer:
    return ArmIssuer(connected, cloud.resource, lambda: datetime.now(UTC))


@pytest.fixture
def in_ten_days() -> datetime:
    return (datetime.now(UTC) + timedelta(days=10)).replace(second=0, microsecond=0)
