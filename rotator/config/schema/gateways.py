"""The table `[[gateways]]`: one self-hosted gateway resource."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from rotator.config.schema.defaults import PolicyTable
from rotator.config.schema.targets import TargetSettings
from rotator.config.types.names import GatewayName
from rotator.config.types.resource_id import FORM, ResourceId


def _resource_id(written: object) -> object:
    return written if isinstance(written, ResourceId) else ResourceId.parse(str(written))


class GatewayTable(PolicyTable):
    """One gateway, before its policy is worked out."""

    name: GatewayName = Field(examples=['"oslo"'])
    resource_id: Annotated[ResourceId, BeforeValidator(_resource_id)] = Field(examples=[f'"{FORM}"'])
    targets: tuple[TargetSettings, ...] = Field(
        min_length=1, strict=False, examples=["[[gateways.targets]] with a namespace and a secret"]
    )
