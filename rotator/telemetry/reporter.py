"""The base of the reporters of a run: explains each decision, and passes what happens on to a listener."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Literal

import structlog

from rotator.core.messages import Explanation, explain
from rotator.core.observation import Observation
from rotator.core.policy import Policy
from rotator.core.situation import Situation
from rotator.core.steps import Step
from rotator.diagnostics import exception_details, exception_summary
from rotator.errors import RotatorError
from rotator.ports import Reporter

log: structlog.stdlib.BoundLogger = structlog.get_logger("rotator.rotation")

Fields = dict[str, object]
When = Literal["decided", "done", "failed"]
Listener = Callable[[str, Explanation, Step, When], None]
"""Receives (gateway, why, step, whether the step comes next, is done or failed). Has to return quickly."""


class StepReporter(Reporter):
    """Calls on_decided, on_failed and on_done of its subclass, then the listener.

    Reporting never fails the work: an exception in any of them is logged and dropped.
    """

    def __init__(self, gateway: str, policy: Policy, listener: Listener | None) -> None:
        self._gateway = gateway
        self._policy = policy
        self._listener = listener
        self.why: Explanation | None = None
        """Why the last decision was taken; None before the first."""

    def decided(self, step: Step, observation: Observation, now: datetime) -> None:
        with never_failing("a decision", self._gateway):
            self.why = explain(step, Situation(observation, self._policy, now))
            self.on_decided(step, observation, self.why, now)
        self._pass_on(step, "decided")

    def failed(self, step: Step, error: Exception) -> None:
        with never_failing("a failure", self._gateway):
            self.on_failed(step, error)
        self._pass_on(step, "failed")

    def done(self, step: Step, now: datetime) -> None:
        with never_failing("a step", self._gateway):
            self.on_done(step, now)
        self._pass_on(step, "done")

    def on_decided(self, step: Step, observation: Observation, why: Explanation, now: datetime) -> None:
        """Report which step comes next, and why."""

    def on_failed(self, step: Step, error: Exception) -> None:
        """Report that a step failed. The run continues with what does not depend on it."""

    def on_done(self, step: Step, now: datetime) -> None:
        """Report that the effect of a step has happened."""

    def _pass_on(self, step: Step, when: When) -> None:
        if self._listener and self.why:
            with never_failing("a listener", self._gateway):
                self._listener(self._gateway, self.why, step, when)


def error_fields(error: BaseException | None) -> Fields:
    """Return the fields of a log line for error: the text of a RotatorError; of any other error only class
    and place, because its text may quote a Secret.
    """
    if error is None:
        return {}
    if isinstance(error, RotatorError):
        return {"error": exception_summary(error)}
    return exception_details(error)


@contextlib.contextmanager
def never_failing(what: str, gateway: str) -> Iterator[None]:
    """Log an exception instead of raising it. what: what was to be reported."""
    try:
        yield
    except Exception as e:  # noqa: BLE001 - reporting never fails the work
        with contextlib.suppress(Exception):
            log.error("reporting failed", of=what, gateway=gateway, **error_fields(e))  # noqa: TRY400 - no text of e
