"""What the user said: a TOML file, checked as a whole, all mistakes reported at once."""

from __future__ import annotations

from rotator.config.load import load
from rotator.config.schema.document import GatewaySettings, Settings
from rotator.config.schema.gateways import TargetSettings
from rotator.config.schema.pull import PullSettings
from rotator.config.schema.sections import (
    AzureSettings,
    InternalSettings,
    KubernetesSettings,
    LogSettings,
    RotationSettings,
)
from rotator.config.schema.webhook import WebhookSettings
from rotator.config.types.names import Listen, WorkloadRef
from rotator.config.types.resource_id import ResourceId
from rotator.config.types.windows import Calendar, WindowTable
from rotator.config.warnings import warnings

__all__ = [
    "AzureSettings",
    "Calendar",
    "GatewaySettings",
    "InternalSettings",
    "KubernetesSettings",
    "Listen",
    "LogSettings",
    "PullSettings",
    "ResourceId",
    "RotationSettings",
    "Settings",
    "TargetSettings",
    "WebhookSettings",
    "WindowTable",
    "WorkloadRef",
    "load",
    "warnings",
]
