"""What the user said: a TOML file, checked as a whole, all mistakes reported at once."""

from __future__ import annotations

from rotator.config.gateways import TargetSettings
from rotator.config.load import load
from rotator.config.model import GatewaySettings, Settings
from rotator.config.names import Listen, WorkloadRef
from rotator.config.resource_id import ResourceId
from rotator.config.sections import (
    AzureSettings,
    InternalSettings,
    KubernetesSettings,
    LogSettings,
    RotationSettings,
    WebhookSettings,
)

__all__ = [
    "AzureSettings",
    "GatewaySettings",
    "InternalSettings",
    "KubernetesSettings",
    "Listen",
    "LogSettings",
    "ResourceId",
    "RotationSettings",
    "Settings",
    "TargetSettings",
    "WebhookSettings",
    "WorkloadRef",
    "load",
]
