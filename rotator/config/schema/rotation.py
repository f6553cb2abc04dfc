"""The table `[rotation]`: how much this process does at the same time."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from rotator.config.schema.table import Table
from rotator.config.types.durations import DurationOrZero


class RotationSettings(Table):
    """How much at a time, in this process. schedule_jitter spreads scheduled renewals over this much time."""

    max_concurrent_rotations: int = Field(default=10, ge=1, examples=["10"])
    max_concurrent_rollouts: int = Field(default=50, ge=1, examples=["50"])
    schedule_jitter: DurationOrZero = Field(default=timedelta(minutes=30), examples=['"30m"'])
