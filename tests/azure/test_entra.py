"""Signing in at Microsoft Entra ID, with a client secret or a projected token."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from rotator.azure import Arm
from rotator.errors import Refused, Unavailable
from sandbox import serve, tls
from sandbox.azure import Azure
from tests.azure.conftest import Cloud

WHO = {
    "AZURE_TENANT_ID": "22222222-2222-4333-8444-555555555555",
    "AZURE_CLIENT_ID": "33333333-2222-4333-8444-555555555555",
}
SECRET = {**WHO, "AZURE_CLIENT_SECRET": "invented"}
FILE = {**WHO, "AZURE_FEDERATED_TOKEN_FILE": "/projected/token"}


@dataclass
class Entra:
    """The token endpoint of Microsoft Entra ID, as much of it as the SDK asks."""

    azure: Azure
    status: int = 200
    forms: list[dict[str, list[str]]] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.forms.append(parse_qs((await Request(scope, receive).body()).decode()))
        if self.status == 200:
            answer = {
                "access_token": self.azure.identity.issue()[0],
                "expires_in": 3600,
                "token_type": "Bearer",
            }
        else:
            answer = {
                "error": "invalid_client",
                "error_description": "AADSTS7000222: The secret has expired.",
            }
        await JSONResponse(answer, self.status)(scope, receive, send)


@pytest.fixture
async def entra(cloud: Cloud, tmp_path: Path) -> AsyncIterator[Entra]:
    """Entra ID behind the CA that `cloud.settings` trusts; its address is in AZURE_AUTHORITY_HOST."""
    files = tls.Certificates(
        *(tmp_path / "tls" / name for name in ("ca.pem", "server.pem", "server-key.pem"))
    )
    app = Entra(cloud.azure)
    async with serve.serving({"entra": app}, {"entra": files}) as urls:
        cloud.identity_env = {"AZURE_AUTHORITY_HOST": urls["entra"]}
        yield app


async def test_a_client_secret_signs_in(cloud: Cloud, entra: Entra) -> None:
    async with await Arm.connect(cloud.settings, cloud.identity_env | SECRET) as arm:
        await arm.preflight(cloud.resource)

    assert entra.forms[0]["client_secret"] == ["invented"]
    assert entra.forms[0]["scope"] == ["https://management.azure.com/.default"]


async def test_an_expired_secret_is_refused_in_entras_words_and_not_shown(cloud: Cloud, entra: Entra) -> None:
    entra.status = 401
    async with await Arm.connect(cloud.settings, cloud.identity_env | SECRET) as arm:
        with pytest.raises(Refused, match=r"Microsoft Entra ID does not accept .*AADSTS7000222") as caught:
            await arm.preflight(cloud.resource)

    assert "invented" not in str(caught.value)
    assert caught.value.remedy.startswith("Check credential")


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize("credential", ["client-secret", "workload-identity"])
async def test_a_fault_of_entra_will_pass(
    cloud: Cloud, entra: Entra, tmp_path: Path, status: int, credential: str
) -> None:
    entra.status = status
    (tmp_path / "projected").write_text("service-account-token")
    file = {"AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "projected")}
    settings = cloud.settings.model_copy(update={"credential": credential})
    async with await Arm.connect(settings, cloud.identity_env | SECRET | file) as arm:
        with pytest.raises(Unavailable, match=f"Microsoft Entra ID .*{status}"):
            await arm.preflight(cloud.resource)

    assert len(entra.forms) == 1, "no retries inside the SDK"


async def test_entra_out_of_reach_is_no_rejected_credential(cloud: Cloud, entra: Entra) -> None:
    nowhere = {"AZURE_AUTHORITY_HOST": "https://127.0.0.1:9"}
    async with await Arm.connect(cloud.settings, SECRET | nowhere) as arm:
        with pytest.raises(Unavailable, match=r"127\.0\.0\.1 cannot be reached"):
            await arm.preflight(cloud.resource)


async def test_a_workload_identity_signs_in_with_the_projected_token(
    cloud: Cloud, entra: Entra, tmp_path: Path
) -> None:
    file = tmp_path / "projected"
    file.write_text("service-account-token")
    environ = cloud.identity_env | WHO | {"AZURE_FEDERATED_TOKEN_FILE": str(file)}
    async with await Arm.connect(cloud.settings, environ) as arm:
        await arm.preflight(cloud.resource)

    assert entra.forms[0]["client_assertion"] == ["service-account-token"]


async def test_a_projected_token_that_is_not_there_is_refused_by_path(cloud: Cloud, entra: Entra) -> None:
    async with await Arm.connect(cloud.settings, cloud.identity_env | FILE) as arm:
        with pytest.raises(Refused, match="/projected/token cannot be read"):
            await arm.preflight(cloud.resource)
