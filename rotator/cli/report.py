"""The report of a run that an operator watches, on the terminal."""

from __future__ import annotations

from datetime import datetime

from rotator.cli.progress import Progress
from rotator.core.messages import Explanation
from rotator.core.observation import Observation
from rotator.core.policy import Policy
from rotator.core.steps import Rest, Step
from rotator.telemetry.reporter import Listener, StepReporter


class ProgressReport(StepReporter):
    """Shows each step on the progress display."""

    def __init__(self, gateway: str, policy: Policy, progress: Progress, listener: Listener) -> None:
        super().__init__(gateway, policy, listener)
        self._progress = progress

    def on_decided(  # the display needs only a part of what the base class passes
        self,
        step: Step,
        observation: Observation,  # noqa: ARG002
        why: Explanation,
        now: datetime,  # noqa: ARG002
    ) -> None:
        if not isinstance(step, Rest):
            self._progress.tell(self._gateway, f"{type(step).__name__} ({why.reason})", why.text)

    def on_failed(self, step: Step, error: Exception) -> None:
        self._progress.tell(self._gateway, f"{type(step).__name__} failed", f"{error}; going on without it")
