"""Who the rotator is in Azure, and what happens when Azure rejects it."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest

from rotator.azure import Arm
from rotator.azure.clouds import arm_endpoint
from rotator.azure.credential import choose
from rotator.config import CLOUDS, AzureSettings, CloudName
from rotator.errors import Refused
from tests.azure.conftest import Cloud

TENANT = "22222222-2222-4333-8444-555555555555"
CLIENT = "33333333-2222-4333-8444-555555555555"
WHO = {"AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": CLIENT}
SECRET = {**WHO, "AZURE_CLIENT_SECRET": "invented"}
FILE = {**WHO, "AZURE_FEDERATED_TOKEN_FILE": "/projected/token"}


@pytest.mark.parametrize(
    ("environ", "choice"),
    [
        (SECRET | FILE, "client-secret"),
        (FILE, "workload-identity"),
        ({"AZURE_CLIENT_SECRET": "alone"}, "azure-cli"),
        ({"IDENTITY_ENDPOINT": "http://127.0.0.1"}, "managed-identity"),
        ({"MSI_ENDPOINT": "http://127.0.0.1"}, "managed-identity"),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "managed-identity"),
        ({}, "azure-cli"),
    ],
)
def test_the_environment_says_which_credential_is_meant(environ: dict[str, str], choice: str) -> None:
    assert choose(AzureSettings(), environ) == choice


def test_a_credential_that_was_named_is_taken() -> None:
    assert choose(AzureSettings(credential="managed-identity"), SECRET) == "managed-identity"


def test_tenant_and_client_may_stand_in_the_configuration() -> None:
    settings = AzureSettings(tenant_id=TENANT, client_id=CLIENT)

    assert choose(settings, {"AZURE_CLIENT_SECRET": "invented"}) == "client-secret"


@pytest.mark.parametrize(
    ("credential", "missing"),
    [
        ("client-secret", "AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"),
        ("workload-identity", "AZURE_CLIENT_ID and AZURE_FEDERATED_TOKEN_FILE"),
    ],
)
async def test_missing_variables_are_named(credential: str, missing: str) -> None:
    settings = AzureSettings.model_validate({"credential": credential})

    with pytest.raises(Refused, match=f"{credential} needs {missing} in the environment"):
        await Arm.connect(settings, {"AZURE_TENANT_ID": TENANT})


async def test_a_tenant_that_cannot_be_one_is_refused() -> None:
    settings = AzureSettings(credential="client-secret")

    with pytest.raises(Refused, match="client-secret cannot be used") as caught:
        await Arm.connect(settings, SECRET | {"AZURE_TENANT_ID": "my tenant!"})

    assert "invented" not in str(caught.value)


@pytest.mark.parametrize("text", [None, "no certificate"])
async def test_a_ca_bundle_that_cannot_be_used_is_refused(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "ca.pem"
    if text:
        file.write_text(text)

    with pytest.raises(Refused, match=r"ca\.pem cannot be used \(.+\)\. Check ca_file"):
        await Arm.connect(AzureSettings(ca_file=file), {})


def test_the_clouds_differ_in_address_scope_and_authority() -> None:
    names: tuple[CloudName, ...] = ("public", "usgovernment", "china")

    assert [arm_endpoint(name)[0] for name in names] == [
        "https://management.azure.com",
        "https://management.usgovcloudapi.net",
        "https://management.chinacloudapi.cn",
    ]
    assert arm_endpoint("usgovernment")[1] == ("https://management.core.usgovcloudapi.net/.default",)
    assert [CLOUDS[name].authority for name in names] == [
        "https://login.microsoftonline.com",
        "https://login.microsoftonline.us",
        "https://login.chinacloudapi.cn",
    ]


async def test_one_managed_identity_token_serves_many_calls(cloud: Cloud, connected: Arm) -> None:
    for _ in range(3):
        await connected.preflight(cloud.resource)

    assert len(cloud.journal.calls(server="identity")) == 1


async def test_many_first_calls_sign_in_once(cloud: Cloud, connected: Arm) -> None:
    await asyncio.gather(*(connected.preflight(cloud.resource) for _ in range(20)))

    assert len(cloud.journal.calls(server="identity")) == 1


async def test_several_subscriptions_share_one_sign_in(cloud: Cloud, connected: Arm) -> None:
    await connected.preflight(cloud.resource)
    cloud.gateway = cloud.azure.add_gateway("oslo", subscription=TENANT)

    await connected.preflight(cloud.resource)

    assert len(cloud.journal.calls(server="identity")) == 1


async def test_a_managed_identity_that_stumbles_is_asked_again(cloud: Cloud, connected: Arm) -> None:
    cloud.faults.add(server="identity", action="status", status=503)

    await connected.preflight(cloud.resource)

    assert len(cloud.journal.calls(server="identity")) == 2


async def test_a_rejected_credential_signs_in_anew_at_the_next_call(cloud: Cloud, connected: Arm) -> None:
    await connected.preflight(cloud.resource)
    cloud.azure.identity.forget()

    with pytest.raises(Refused, match="InvalidAuthenticationToken"):
        await connected.preflight(cloud.resource)

    await connected.preflight(cloud.resource)


async def test_a_managed_identity_that_is_not_assigned_is_refused(cloud: Cloud, connected: Arm) -> None:
    answer = '{"statusCode": 400, "message": "No managed identity was found."}'
    cloud.faults.add(server="identity", action="status", status=400, body=answer)

    with pytest.raises(
        Refused, match="the managed identity endpoint does not accept the rotator's own credential"
    ):
        await connected.preflight(cloud.resource)


async def test_a_missing_login_is_refused(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    settings = cloud.settings.model_copy(update={"credential": "azure-cli"})
    async with await Arm.connect(settings, {}) as arm:
        with pytest.raises(Refused, match=r"has no credential to sign in with \(Azure CLI not found"):
            await arm.preflight(cloud.resource)


async def test_the_systems_certificates_stay_trusted_beside_the_ca_file(cloud: Cloud, connected: Arm) -> None:
    context = connected._session.connector._ssl

    assert isinstance(context, ssl.SSLContext)
    assert len(context.get_ca_certs()) >= len(ssl.create_default_context().get_ca_certs()) + 1
