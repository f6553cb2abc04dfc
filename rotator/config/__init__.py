"""The configuration: a TOML file, validated as a whole. It reports all errors at once."""

from __future__ import annotations

from rotator.config.load import load
from rotator.config.schema.azure import AzureSettings
from rotator.config.schema.document import GatewaySettings, Settings
from rotator.config.schema.internal import InternalSettings
from rotator.config.schema.kubernetes import KubernetesSettings
from rotator.config.schema.log import LogSettings
from rotator.config.schema.pull import PullSettings
from rotator.config.schema.rotation import RotationSettings
from rotator.config.schema.targets import TargetSettings
from rotator.config.schema.webhook import WebhookSettings
from rotator.config.types.clouds import CLOUDS, CloudName
from rotator.config.types.names import Listen, WorkloadRef
from rotator.config.types.resource_id import ResourceId
from rotator.config.types.windows import Calendar, WindowTable
from rotator.config.warnings import warnings

__all__ = [
    "CLOUDS",
    "AzureSettings",
    "Calendar",
    "CloudName",
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
