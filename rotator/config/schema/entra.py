"""The table `[webhook.entra]`: which bearer tokens authenticate a delivery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from rotator.config.schema.table import HttpsUrl, Table
from rotator.config.types.clouds import CLOUDS, CloudName
from rotator.config.types.names import Guid

ROLE = "AzureEventGridSecureWebhookSubscriber"
"""The app role that Microsoft's guide to secure webhooks creates:
https://learn.microsoft.com/azure/event-grid/secure-webhook-delivery.
"""


class EntraSettings(Table):
    """The claims that a bearer token of Microsoft Entra ID needs. GUIDs are in lower case."""

    tenant_id: Guid = Field(examples=['"00000000-0000-0000-0000-000000000000"'])
    audiences: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        min_length=1, strict=False, examples=['["api://apim-token-rotator"]']
    )
    app_id: Guid | None = Field(default=None, examples=['"4962773b-9cdb-44cf-a8bf-237846a00ab7"'])
    role: str = Field(default=ROLE, examples=[f'"{ROLE}"'])
    authority: HttpsUrl | None = Field(default=None, examples=['"https://login.microsoftonline.com"'])


@dataclass(frozen=True, slots=True)
class Expected:
    """What authentication checks, without defaults. app: Event Grid's own client id. role: empty for any."""

    keys_url: str
    issuers: tuple[str, ...]
    audiences: tuple[str, ...]
    tenant: str
    app: str
    role: str


def expected(entra: EntraSettings, cloud: CloudName) -> Expected:
    """Return what a token needs in this cloud.

    Raises:
        ValueError: the cloud has no known app of Event Grid and the table names none.
    """
    known, tenant = CLOUDS[cloud], entra.tenant_id
    authority = entra.authority or known.authority
    app = entra.app_id or known.event_grid_app
    if app is None:
        raise ValueError(f"webhook.entra.app_id is needed in the cloud {cloud}")
    v2 = dict.fromkeys((authority, known.authority, *known.issuer_aliases))
    return Expected(
        keys_url=f"{authority}/{tenant}/discovery/v2.0/keys",
        issuers=(f"{known.v1_issuer}/{tenant}/", *(f"{host}/{tenant}/v2.0" for host in v2)),
        audiences=entra.audiences,
        tenant=tenant,
        app=app,
        role=entra.role,
    )
