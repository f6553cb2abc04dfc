"""Ends the tokens of one gateway's key."""

from __future__ import annotations

import logging
from datetime import timedelta

from rotator.azure.client import Arm
from rotator.config import ResourceId
from rotator.core.records import Key

log = logging.getLogger(__name__)


class ArmRevoker:
    """Implements the port `Revoker`. call_timeout: the longest wait for Azure; shorter than a Lease lasts."""

    def __init__(self, arm: Arm, resource: ResourceId, call_timeout: timedelta) -> None:
        self._arm = arm
        self._resource = resource
        self.call_timeout = call_timeout

    async def regenerate(self, key: Key) -> None:
        """End every token of key.

        Raises:
            Unavailable: the outcome is unknown; query the signers of the tokens.
            Refused: Azure did not regenerate the key, and the operator has to change something first.
        """
        await self._arm.regenerate_key(self._resource, key, self.call_timeout)
        log.info("the %s key of gateway %s was regenerated", key, self._resource.gateway)
