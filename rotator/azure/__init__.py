"""Azure Resource Manager: the client, and the issuer of a gateway's tokens. SDK exceptions stop here."""

from __future__ import annotations

from rotator.azure.client import Arm
from rotator.azure.clock_offset import ClockOffsetPolicy
from rotator.azure.issuer import ArmIssuer
from rotator.azure.revoker import ArmRevoker

__all__ = ["Arm", "ArmIssuer", "ArmRevoker", "ClockOffsetPolicy"]
