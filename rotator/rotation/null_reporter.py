"""A reporter that tells nobody: for looking without acting."""

from __future__ import annotations

from datetime import datetime

from rotator.core.observation import Observation
from rotator.core.steps import Step


class NullReporter:
    """Implements the port Reporter."""

    def decided(self, step: Step, seen: Observation, now: datetime) -> None:
        """Tell nobody."""

    def failed(self, step: Step, error: Exception) -> None:
        """Tell nobody."""

    def done(self, step: Step, now: datetime) -> None:
        """Tell nobody."""


NULL_REPORTER = NullReporter()
