"""One Lease, and clocks that stand still until they are told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from rotator.core.observation import Observation
from rotator.kube import KubeLease
from rotator.kube.client import paths

NAME = "apim-token-rotator-oslo"
PATH = paths.lease("default", NAME)
START = datetime(2029, 12, 24, 12, 0, 0, 0, tzinfo=UTC)


class Time:
    """Two clocks that stand still until they are told."""

    def __init__(self) -> None:
        self.passed = 0.0

    def monotonic(self) -> float:
        return 1000.0 + self.passed

    def now(self) -> datetime:
        return START + timedelta(seconds=self.passed)


async def observation(lease: KubeLease) -> Observation:
    state = await lease.read()
    return Observation(
        (), restores=state.restores, last_restored_at=state.last_restored_at, lease=state.version
    )


async def take(lease: KubeLease) -> bool:
    return await lease.acquire(await observation(lease))
