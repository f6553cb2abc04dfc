"""The whole file, and the settings that the rest of the rotator reads."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from rotator.config.schema.azure import AzureSettings
from rotator.config.schema.defaults import PolicyTable
from rotator.config.schema.gateways import GatewayTable
from rotator.config.schema.internal import InternalSettings
from rotator.config.schema.kubernetes import KubernetesSettings
from rotator.config.schema.log import LogSettings
from rotator.config.schema.pull import PullSettings
from rotator.config.schema.rotation import RotationSettings
from rotator.config.schema.table import Table
from rotator.config.schema.targets import TargetSettings
from rotator.config.schema.webhook import WebhookSettings
from rotator.config.types.resource_id import ResourceId
from rotator.config.types.windows import Calendar
from rotator.core.policy import Policy


class Document(Table):
    """The whole file."""

    azure: AzureSettings = AzureSettings()
    kubernetes: KubernetesSettings = KubernetesSettings()
    webhook: WebhookSettings = WebhookSettings()
    pull: PullSettings | None = None
    internal: InternalSettings = InternalSettings()
    log: LogSettings = LogSettings()
    rotation: RotationSettings = RotationSettings()
    defaults: PolicyTable = PolicyTable()
    gateways: tuple[GatewayTable, ...] = Field(
        min_length=1, strict=False, examples=["[[gateways]] with a name, a resource_id and targets"]
    )


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """One gateway, its policy and its targets."""

    name: str
    resource_id: ResourceId
    policy: Policy
    calendar: Calendar
    targets: tuple[TargetSettings, ...]


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration. Holds no secret: these come from the environment and from Kubernetes."""

    azure: AzureSettings
    kubernetes: KubernetesSettings
    webhook: WebhookSettings
    pull: PullSettings | None
    internal: InternalSettings
    log: LogSettings
    rotation: RotationSettings
    gateways: tuple[GatewaySettings, ...]
