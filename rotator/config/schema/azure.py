"""The table `[azure]`: how to reach Azure, and as whom."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from rotator.config.schema.table import FilePath, HttpsUrl, Table
from rotator.config.types.clouds import CloudName
from rotator.config.types.names import Guid


class AzureSettings(Table):
    """How to reach Azure, and as whom. Secrets come from the environment only, never from the file."""

    cloud: CloudName = Field(default="public", examples=['"public"'])
    endpoint: HttpsUrl | None = Field(default=None, examples=['"https://management.azure.com"'])
    ca_file: FilePath | None = Field(default=None, examples=['"/etc/rotator/ca.pem"'])
    credential: Literal["default", "workload-identity", "managed-identity", "client-secret", "azure-cli"] = (
        Field(default="default", examples=['"default"'])
    )
    tenant_id: Guid | None = Field(default=None, examples=['"00000000-0000-0000-0000-000000000000"'])
    client_id: Guid | None = Field(default=None, examples=['"00000000-0000-0000-0000-000000000000"'])
