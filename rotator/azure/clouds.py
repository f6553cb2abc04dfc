"""Where Azure Resource Manager is in each cloud, as the SDK knows it."""

from __future__ import annotations

from azure.core import AzureClouds
from azure.mgmt.core.tools import get_arm_endpoints

from rotator.config import CLOUDS, CloudName


def arm_endpoint(cloud: CloudName) -> tuple[str, tuple[str, ...]]:
    """Return the address of ARM, and the scopes that a bearer token for it is requested with.

    The SDK knows both (US Government's scope is not its endpoint), but its clients do not pass them on to
    credentials, and `cloud_setting` is ignored by azure-mgmt-apimanagement 5.0.0.
    """
    known = get_arm_endpoints(AzureClouds(CLOUDS[cloud].sdk_name))
    return known["resource_manager"].rstrip("/"), tuple(known["credential_scopes"])
