"""Where the Azure clouds are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from azure.core import AzureClouds
from azure.identity import AzureAuthorityHosts
from azure.mgmt.core.tools import get_arm_endpoints

Name = Literal["public", "usgovernment", "china"]


@dataclass(frozen=True, slots=True)
class Cloud:
    """endpoint: Azure Resource Manager. scopes: what a bearer token for it is asked with.
    authority: the host of Microsoft Entra ID.
    """

    endpoint: str
    scopes: tuple[str, ...]
    authority: str


def cloud(name: Name) -> Cloud:
    """Return the addresses of a cloud.

    The SDK knows endpoints and scopes (US Government's scope is not its endpoint), but its clients
    do not pass them on to credentials, and `cloud_setting` is ignored by azure-mgmt-apimanagement 5.0.0.
    """
    setting, authority = _CLOUDS[name]
    known = get_arm_endpoints(setting)
    return Cloud(known["resource_manager"].rstrip("/"), tuple(known["credential_scopes"]), authority)


_CLOUDS: dict[Name, tuple[AzureClouds, str]] = {
    "public": (AzureClouds.AZURE_PUBLIC_CLOUD, AzureAuthorityHosts.AZURE_PUBLIC_CLOUD),
    "usgovernment": (AzureClouds.AZURE_US_GOVERNMENT, AzureAuthorityHosts.AZURE_GOVERNMENT),
    "china": (AzureClouds.AZURE_CHINA_CLOUD, AzureAuthorityHosts.AZURE_CHINA),
}
