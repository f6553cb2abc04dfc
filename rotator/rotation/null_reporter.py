"""A reporter that reports nothing, for observing without acting."""

from __future__ import annotations

from datetime import datetime

from rotator.core.observation import Observation
from rotator.core.steps import Step


class NullReporter:
    """Implements the port Reporter."""

    def decided(self, step: Step, observation: Observation, now: datetime) -> None:
        """Do nothing."""

    def failed(self, step: Step, error: Exception) -> None:
        """Do nothing."""

    def done(self, step: Step, now: datetime) -> None:
        """Do nothing."""


NULL_REPORTER = NullReporter()
