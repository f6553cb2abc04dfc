"""The report of one run of one gateway: step by step while it goes on, and one line at its end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Literal

import structlog

from rotator.core.messages import Explanation, explain, overrides
from rotator.core.observation import Observation
from rotator.core.policy import Policy
from rotator.core.run_result import NOTHING_DONE, RunResult
from rotator.core.situation import Situation
from rotator.core.steps import Await, Rest, Step
from rotator.diagnostics import exception_details, exception_summary
from rotator.errors import Conflict, RotatorError, Unavailable
from rotator.ports import Clock, Reporter
from rotator.telemetry.metrics import Metrics
from rotator.telemetry.run_summary import Fields, RunSummary

log: structlog.stdlib.BoundLogger = structlog.get_logger("rotator.rotation")

When = Literal["decided", "done", "failed"]
Listener = Callable[[str, Explanation, Step, When], None]
"""Is told (gateway, why, step, whether it comes next, has happened or could not be taken); quick."""


class RunReport(Reporter):
    """Says what a run does to log, metrics and listener, and ends it with one canonical line.

    Reporting never fails the work: whatever goes wrong in here is logged and forgotten.
    """

    def __init__(
        self,
        gateway: str,
        causes: Iterable[str],
        policy: Policy,
        clock: Clock,
        metrics: Metrics,
        listener: Listener | None = None,
        said: str = "",
    ) -> None:
        """said: the sentence with which the run before was left unsettled, if it was told."""
        self._gateway = gateway
        self._causes = sorted(causes)
        self._policy = policy
        self._clock = clock
        self._metrics = metrics
        self._listener = listener
        self._said = said
        self._summary = RunSummary()
        self._began_at = clock.now()

    def decided(self, step: Step, observation: Observation, now: datetime) -> None:
        """Tell what comes next and why. A repeated Await, and Rest, are told at level debug only."""
        with _never_failing("a decision", self._gateway):
            why = explain(step, Situation(observation, self._policy, now))
            again = isinstance(step, Await) and isinstance(self._summary.step, Await)
            self._summary.decided(step, observation, why, now)
            if (closed := overrides(step, observation)) and not again:
                self._metrics.override(self._gateway, _name(step))
                log.warning(
                    "overridden", gateway=self._gateway, step=_name(step), closed=closed, why=why.text
                )
            tell = log.debug if again or isinstance(step, Rest) else log.info
            tell("step", gateway=self._gateway, step=_name(step), reason=why.reason.value, why=why.text)
            self._measure(step, now)
        self._pass_on(step, "decided")

    def failed(self, step: Step, error: Exception) -> None:
        """Tell that the step could not be taken; the run goes on with what does not depend on it."""
        with _never_failing("a failure", self._gateway):
            self._metrics.failure(self._gateway, _name(step))
            log.warning("step failed", gateway=self._gateway, step=_name(step), **_told(error))
        self._pass_on(step, "failed")

    def done(self, step: Step, now: datetime) -> None:
        """Tell that the step's effect has happened."""
        with _never_failing("a step", self._gateway):
            seconds = self._summary.done(step, now)
            log.debug("step done", gateway=self._gateway, step=_name(step), seconds=seconds)
        self._pass_on(step, "done")

    def finish(self, error: BaseException | None = None) -> None:
        """Write the canonical line `rotation` and count the run. Call it once, at its end.

        A run that found nothing to do is told at level debug and not counted; so is one that found
        unsettled what was told already. An error of ours is quoted; of any other only its class and
        place, for its text may quote a Secret.
        """
        with _never_failing("the end of a run", self._gateway):
            result = self._summary.result(error)
            took = max(self._clock.now() - self._began_at, timedelta())  # the clock may have been set
            reason = self._summary.reason or (type(error).__name__ if error else "")
            fields: Fields = {"gateway": self._gateway, "causes": self._causes}
            fields |= {"reason": reason, "result": result.value, "steps": self._summary.steps}
            fields |= {"seconds": round(took.total_seconds(), 3)}
            fields |= self._summary.fields(self._policy) | _told(error)
            known = (
                result in {RunResult.HELD, RunResult.UNSETTLED}
                and not self._summary.steps
                and self.sentence == self._said
            )
            tell = log.debug if known else _level(result, error)
            tell("rotation", **fields)
            self._metrics.at_step(self._gateway, Rest.__name__)
            if result not in NOTHING_DONE and (error or self._summary.steps):
                self._metrics.rotation(self._gateway, result, reason, took)

    @property
    def sentence(self) -> str:
        """Why the last decision was taken; empty before the first."""
        return self._summary.why.text if self._summary.why else ""

    def _measure(self, step: Step, now: datetime) -> None:
        self._metrics.at_step(self._gateway, _name(step))
        if times := self._summary.times(self._policy):
            self._metrics.token(self._gateway, *times)
        self._metrics.looked(self._gateway, self._summary.rest, now)

    def _pass_on(self, step: Step, when: When) -> None:
        if self._listener is None or self._summary.why is None:
            return
        with _never_failing("a listener", self._gateway):
            self._listener(self._gateway, self._summary.why, step, when)


def _name(step: Step) -> str:
    return type(step).__name__


def _level(result: RunResult, error: BaseException | None) -> Callable[..., object]:
    """Return how loud to be: what passes by itself is a warning, as is what is left unsettled."""
    if result is RunResult.FAILED:
        return log.warning if isinstance(error, Unavailable | Conflict) else log.error
    if result is RunResult.ROLLED_BACK:
        return log.error
    if result is RunResult.UNSETTLED:
        return log.warning
    return log.debug if result is RunResult.RESTED else log.info


def _told(error: BaseException | None) -> Fields:
    if error is None:
        return {}
    if isinstance(error, RotatorError):
        return {"error": exception_summary(error)}
    return exception_details(error)


@contextlib.contextmanager
def _never_failing(what: str, gateway: str) -> Iterator[None]:
    try:
        yield
    except Exception as e:  # noqa: BLE001 - reporting never fails the work
        with contextlib.suppress(Exception):
            log.error("reporting failed", of=what, gateway=gateway, **_told(e))  # noqa: TRY400 - no text of e
