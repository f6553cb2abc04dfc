"""Passes each decision of a run to a reporter, and what has happened to Kubernetes Events."""

from __future__ import annotations

from datetime import datetime

from rotator.core.explain import explain
from rotator.core.policy import Policy
from rotator.core.seen import Observed
from rotator.core.steps import Step
from rotator.ports import Reporter
from rotator.telemetry.report import Listener


class Reports:
    """Implements the port Reporter for commands, whose reporter shows and does not log."""

    def __init__(self, policy: Policy, shown: Reporter, gateway: str, listener: Listener) -> None:
        self._policy = policy
        self._shown = shown
        self._gateway = gateway
        self._listener = listener
        self._seen: Observed | None = None

    def decided(self, step: Step, seen: Observed, now: datetime) -> None:
        self._seen = seen
        self._shown.decided(step, seen, now)
        self._listener(self._gateway, explain(step, seen, self._policy, now), step, "decided")

    def done(self, step: Step, now: datetime) -> None:
        self._shown.done(step, now)
        if self._seen:
            self._listener(self._gateway, explain(step, self._seen, self._policy, now), step, "done")
