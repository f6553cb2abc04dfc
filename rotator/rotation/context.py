"""What one rotation works with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self

from rotator.core.observation import ALWAYS, MaintenanceWindow
from rotator.core.policy import Policy
from rotator.ports import Clock, Evictor, Issuer, Lease, Reporter, Revoker, TargetStore
from rotator.rotation.null_reporter import NULL_REPORTER
from rotator.rotation.signer_cache import SignerCache


@dataclass(frozen=True, slots=True)
class Gateway:
    """window: whether steps that can wait may be taken at a time (UTC)."""

    name: str
    policy: Policy
    window: Callable[[datetime], MaintenanceWindow] = lambda _: ALWAYS


@dataclass(frozen=True, slots=True)
class Ports:
    """The world as one gateway's rotation sees it.

    turn bounds how many rotations act at the same time; a rotation that waits for a rollout gives
    it back. rollouts bounds how many gateways roll over at the same time. revoker and evictor are
    needed only where the policy allows those steps.
    """

    issuer: Issuer
    signers: SignerCache
    store: TargetStore
    lease: Lease
    clock: Clock
    reporter: Reporter = NULL_REPORTER
    revoker: Revoker | None = None
    evictor: Evictor | None = None
    turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))
    rollouts: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))

    def reporting_to(self, reporter: Reporter) -> Self:
        """Return the same ports with another reporter, for one run."""
        return replace(self, reporter=reporter)
