"""What the user said: a TOML file, checked as a whole, all mistakes reported at once."""

from __future__ import annotations

from rotator.config.gateways import TargetSettings
from rotator.config.load import load
from rotator.config.model import GatewaySettings, Settings
from rotator.config.names import Listen, WorkloadRef
from rotator.config.oddities import oddities
from rotator.config.pull import PullSettings
from rotator.config.resource_id import ResourceId
from rotator.config.sections import (
    AzureSettings,
    InternalSettings,
    KubernetesSettings,
    LogSettings,
    RotationSettings,
)
from rotator.config.webhook import WebhookSettings
from rotator.config.windows import Calendar, WindowTable

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
    "oddities",
]
