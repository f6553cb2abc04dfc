"""The report of a run that somebody watches: to the progress on the screen, and to Kubernetes Events."""

from __future__ import annotations

from datetime import datetime

from rotator.cli.progress import Progress
from rotator.core.messages import explain
from rotator.core.observation import Observation
from rotator.core.policy import Policy
from rotator.core.situation import Situation
from rotator.core.steps import Rest, Step
from rotator.telemetry.report import Listener


class WatchedReport:
    """Implements the port Reporter."""

    def __init__(self, gateway: str, policy: Policy, progress: Progress, events: Listener) -> None:
        self._gateway = gateway
        self._policy = policy
        self._progress = progress
        self._events = events
        self._seen: Observation | None = None

    def decided(self, step: Step, observation: Observation, now: datetime) -> None:
        self._seen = observation
        why = explain(step, Situation(observation, self._policy, now))
        if not isinstance(step, Rest):
            self._progress.tell(self._gateway, f"{type(step).__name__} ({why.reason})", why.text)
        self._events(self._gateway, why, step, "decided")

    def failed(self, step: Step, error: Exception) -> None:
        self._progress.tell(self._gateway, f"{type(step).__name__} failed", f"{error}; going on without it")

    def done(self, step: Step, now: datetime) -> None:
        if self._seen:
            self._events(self._gateway, explain(step, Situation(self._seen, self._policy, now)), step, "done")
