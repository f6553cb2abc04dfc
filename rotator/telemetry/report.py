"""The report of one run of one gateway: a log line per step, and one line at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from rotator.core.messages import Explanation, overrides
from rotator.core.observation import Observation
from rotator.core.policy import Policy
from rotator.core.run_result import NOTHING_DONE, RunResult
from rotator.core.steps import Await, Rest, Step
from rotator.errors import Conflict, Unavailable
from rotator.ports import Clock
from rotator.telemetry.metrics import Metrics
from rotator.telemetry.reporter import Fields, Listener, StepReporter, error_fields, log, never_failing
from rotator.telemetry.run_summary import RunSummary


class RunReport(StepReporter):
    """Reports a run to the log and the metrics, and ends it with one canonical log line."""

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
        """said: the sentence that the previous run logged when it was left unsettled; empty otherwise."""
        super().__init__(gateway, policy, listener)
        self._causes = sorted(causes)
        self._clock = clock
        self._metrics = metrics
        self._said = said
        self._summary = RunSummary()
        self._began_at = clock.now()

    def on_decided(self, step: Step, observation: Observation, why: Explanation, now: datetime) -> None:
        """Log the decision; a repeated Await, and Rest, at level debug only."""
        again = isinstance(step, Await) and isinstance(self._summary.step, Await)
        self._summary.decided(step, observation, why, now)
        if (closed := overrides(step, observation)) and not again:
            self._metrics.override(self._gateway, _name(step))
            log.warning("overridden", gateway=self._gateway, step=_name(step), closed=closed, why=why.text)
        write = log.debug if again or isinstance(step, Rest) else log.info
        write("step", gateway=self._gateway, step=_name(step), reason=why.reason.value, why=why.text)
        self._measure(step, now)

    def on_failed(self, step: Step, error: Exception) -> None:
        self._metrics.failure(self._gateway, _name(step))
        log.warning("step failed", gateway=self._gateway, step=_name(step), **error_fields(error))

    def on_done(self, step: Step, now: datetime) -> None:
        seconds = self._summary.done(step, now)
        log.debug("step done", gateway=self._gateway, step=_name(step), seconds=seconds)

    def finish(self, error: BaseException | None = None) -> None:
        """Write the canonical line `rotation` and count the run. Call it once, at its end.

        A run that found nothing to do is logged at level debug and not counted; so is one that found
        unsettled what the previous run logged already.
        """
        with never_failing("the end of a run", self._gateway):
            result = self._summary.result(error)
            took = max(self._clock.now() - self._began_at, timedelta())  # the clock may have been set
            reason = self._summary.reason or (type(error).__name__ if error else "")
            fields: Fields = {"gateway": self._gateway, "causes": self._causes}
            fields |= {"reason": reason, "result": result.value, "steps": self._summary.steps}
            fields |= {"seconds": round(took.total_seconds(), 3)}
            fields |= self._summary.fields(self._policy) | error_fields(error)
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
        return self.why.text if self.why else ""

    def _measure(self, step: Step, now: datetime) -> None:
        self._metrics.at_step(self._gateway, _name(step))
        if times := self._summary.times(self._policy):
            self._metrics.token(self._gateway, *times)
        self._metrics.looked(self._gateway, self._summary.rest, now)


def _name(step: Step) -> str:
    return type(step).__name__


def _level(result: RunResult, error: BaseException | None) -> Callable[..., object]:
    """Return the log level: warning for what passes without the operator, and for what is left unsettled."""
    if result is RunResult.FAILED:
        return log.warning if isinstance(error, Unavailable | Conflict) else log.error
    if result is RunResult.ROLLED_BACK:
        return log.error
    if result is RunResult.UNSETTLED:
        return log.warning
    return log.debug if result is RunResult.RESTED else log.info
