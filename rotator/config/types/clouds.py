"""The Azure clouds: the one list of their names and addresses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CloudName = Literal["public", "usgovernment", "china"]


@dataclass(frozen=True, slots=True)
class Cloud:
    """sdk_name: the cloud's name in azure-core. authority: Microsoft Entra ID, which issues tokens of
    version 2; issuer_aliases: further issuers of these. v1_issuer: who issues tokens of version 1.
    event_grid_app: the client id of Event Grid's own application; None: Microsoft does not publish it.
    """

    sdk_name: str
    authority: str
    v1_issuer: str
    event_grid_app: str | None
    issuer_aliases: tuple[str, ...] = ()


CLOUDS: dict[CloudName, Cloud] = {
    "public": Cloud(
        "AZURE_PUBLIC_CLOUD",
        "https://login.microsoftonline.com",
        "https://sts.windows.net",
        "4962773b-9cdb-44cf-a8bf-237846a00ab7",
    ),
    "usgovernment": Cloud(
        "AZURE_US_GOVERNMENT",
        "https://login.microsoftonline.us",
        "https://sts.windows.net",
        "54316b56-3481-47f9-8f30-0300f5542a7b",
    ),
    "china": Cloud(
        "AZURE_CHINA_CLOUD",
        "https://login.chinacloudapi.cn",
        "https://sts.chinacloudapi.cn",
        None,
        ("https://login.partner.microsoftonline.cn",),
    ),
}
