"""What the operator decided about a gateway."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from rotator.core.records import Key, Revocation

LONGEST_LIFE = timedelta(days=30)
"""Azure's limit for the lifetime of a gateway token; it refuses or shortens exactly this much."""


@dataclass(frozen=True, slots=True)
class Policy:
    """roll_back, replace_pods and regenerate_keys: whether the plan may use those steps at all.
    max_restarts_per_hour: of each workload. avoid: keys with which no token is issued in this run.
    """

    lifetime: timedelta = timedelta(days=29)
    renew_before: timedelta = timedelta(days=10)
    panic_before: timedelta = timedelta(days=2)
    revoke: Revocation = Revocation.NEVER
    revoke_after: timedelta = timedelta(days=1)
    rollout_timeout: timedelta = timedelta(minutes=15)
    recheck: timedelta = timedelta(minutes=5)
    look_every: timedelta = timedelta(minutes=5)
    max_unavailable_targets: int = 1
    max_restarts_per_hour: int = 6
    roll_back: bool = True
    replace_pods: bool = True
    regenerate_keys: bool = True
    avoid: frozenset[Key] = frozenset()

    def __post_init__(self) -> None:
        if not timedelta() < self.panic_before < self.renew_before < self.lifetime:
            raise ValueError("0 < panic_before < renew_before < lifetime must hold")
        if self.lifetime >= LONGEST_LIFE:
            raise ValueError("lifetime must be shorter than 30 days, the longest that Azure grants")
