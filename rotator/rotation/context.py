"""What one rotation works with."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from rotator.core.policy import Policy
from rotator.ports import Clock, Evictor, Fleet, Issuer, Lease, Reporter, Revoker
from rotator.rotation.signers import Signers


@dataclass(frozen=True, slots=True)
class Gateway:
    name: str
    policy: Policy


@dataclass(frozen=True, slots=True)
class Ports:
    """The world as one gateway's rotation sees it.

    turn bounds how many rotations act at the same time; who waits for a rollout gives it back.
    revoker and evictor are needed only where the policy lets the plan use those steps.
    """

    issuer: Issuer
    signers: Signers
    fleet: Fleet
    lease: Lease
    clock: Clock
    reporter: Reporter
    revoker: Revoker | None = None
    evictor: Evictor | None = None
    turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))
