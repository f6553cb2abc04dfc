"""Who the rotator is in Azure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from azure.core.pipeline.transport import AioHttpTransport
from azure.identity.aio import (
    AzureCliCredential,
    ClientSecretCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)

from rotator.config import CLOUDS, AzureSettings
from rotator.errors import Refused

Credential = (
    AzureCliCredential | ClientSecretCredential | ManagedIdentityCredential | WorkloadIdentityCredential
)
Choice = Literal["workload-identity", "managed-identity", "client-secret", "azure-cli"]

_SECRET = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET")
_WORKLOAD = ("AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_FEDERATED_TOKEN_FILE")


def choose(settings: AzureSettings, environ: Mapping[str, str]) -> Choice:
    """Return which credential "default" means here: the order of DefaultAzureCredential, one candidate only.

    DefaultAzureCredential itself is not used: where nothing is configured it connects to
    169.254.169.254 and starts `az`, `pwsh` and `azd` one after the other, and it reports a network
    that is down as a rejected credential, which would tell people to change what is right. The
    environment says which one is meant: a client secret, a federated token file (AKS workload
    identity), a managed identity's endpoint; a pod with none of these has its node's managed
    identity, a laptop has `az login`. On a virtual machine write credential = "managed-identity".
    """
    if settings.credential != "default":
        return settings.credential
    told = _told(settings, environ)
    if all(told.get(name) for name in _SECRET):
        return "client-secret"
    if told.get("AZURE_FEDERATED_TOKEN_FILE"):
        return "workload-identity"
    endpoints = ("IDENTITY_ENDPOINT", "MSI_ENDPOINT", "KUBERNETES_SERVICE_HOST")
    if any(told.get(name) for name in endpoints):
        return "managed-identity"
    return "azure-cli"


def build(settings: AzureSettings, environ: Mapping[str, str], transport: AioHttpTransport) -> Credential:
    """Return the credential that settings and environ ask for. Does no I/O.

    The SDK reads a managed identity's endpoint from the environment of the process, not from
    environ. Requests are not retried here: who calls Azure comes back later.

    Raises:
        Refused: variables are missing, or the SDK does not accept their form; names them.
    """
    choice, told = choose(settings, environ), _told(settings, environ)
    try:
        return _build(choice, settings, told, transport)
    except ValueError as error:
        raise Refused(
            f"the credential {choice} cannot be used: {error}",
            "Check tenant_id and client_id under [azure] and the AZURE_* variables of the environment",
        ) from None


def _build(
    choice: Choice, settings: AzureSettings, told: Mapping[str, str], transport: AioHttpTransport
) -> Credential:
    # The SDK looks at AZURE_AUTHORITY_HOST only where no authority is given.
    authority = told.get("AZURE_AUTHORITY_HOST") or CLOUDS[settings.cloud].authority
    match choice:
        case "client-secret":
            tenant, client, secret = _all(_SECRET, choice, told)
            return ClientSecretCredential(
                tenant, client, secret, authority=authority, transport=transport, retry_total=0
            )
        case "workload-identity":
            tenant, client, file = _all(_WORKLOAD, choice, told)
            return WorkloadIdentityCredential(
                tenant_id=tenant,
                client_id=client,
                token_file_path=file,
                authority=authority,
                transport=transport,
                retry_total=0,
            )
        case "managed-identity":
            # AZURE_CLIENT_ID names a user-assigned identity, as it does for DefaultAzureCredential. The
            # metadata service answers 404, 410 and 429 while it wakes up: its own retries stay on.
            return ManagedIdentityCredential(
                client_id=told.get("AZURE_CLIENT_ID") or None,
                transport=transport,
                _exclude_workload_identity_credential=True,
            )
        case "azure-cli":
            return AzureCliCredential(tenant_id=told.get("AZURE_TENANT_ID", ""))


def _told(settings: AzureSettings, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with what the configuration says in its place."""
    said = {"AZURE_TENANT_ID": settings.tenant_id, "AZURE_CLIENT_ID": settings.client_id}
    return {**environ, **{name: value for name, value in said.items() if value}}


def _all(names: tuple[str, str, str], credential: Choice, told: Mapping[str, str]) -> tuple[str, str, str]:
    missing = [name for name in names if not told.get(name)]
    if missing:
        raise Refused(
            f"the credential {credential} needs {' and '.join(missing)} in the environment",
            _REMEDIES[credential],
        )
    first, second, third = (told[name] for name in names)
    return first, second, third


_REMEDIES = {
    "client-secret": (
        "Set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, "
        "or choose another credential under [azure]"
    ),
    "workload-identity": (
        'Label the pod azure.workload.identity/use: "true" and annotate its ServiceAccount with '
        "azure.workload.identity/client-id, or choose another credential under [azure]"
    ),
}
