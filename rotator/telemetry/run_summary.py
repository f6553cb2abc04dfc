"""Gathers what one run decides and does, for its log line and its metrics."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from rotator.core.messages import Explanation
from rotator.core.observation import Observation
from rotator.core.policy import Policy
from rotator.core.records import Reason
from rotator.core.renewal import earliest, renewal_time
from rotator.core.run_result import RunResult, result_at_rest
from rotator.core.steps import Await, Issue, Rest, Step
from rotator.errors import Busy, LeaseLost, Stopping
from rotator.telemetry.reporter import Fields


@dataclass(slots=True)
class RunSummary:
    """first, last: the observations behind the first and the last decision. taken: the kinds of the steps
    taken, in order; reason: of the first of them, or of the Issue among them.
    """

    taken: list[type[Step]] = field(default_factory=list)
    reason: str = ""
    first: Observation | None = None
    last: Observation | None = None
    step: Step | None = None
    why: Explanation | None = None
    decided_at: datetime | None = None
    pending: bool = False

    def decided(self, step: Step, observation: Observation, why: Explanation, now: datetime) -> None:
        self.first = self.first or observation
        self.last, self.step, self.why, self.decided_at = observation, step, why, now
        self.pending = not isinstance(step, Rest | Await)
        if self.pending and (not self.reason or isinstance(step, Issue)):
            self.reason = why.reason.value
        if isinstance(step, Await) and self.taken[-1:] != [Await]:
            self.taken.append(Await)

    def done(self, step: Step, now: datetime) -> float:
        """Note that step happened. Returns the seconds since it was decided."""
        self.taken.append(type(step))
        self.pending = False
        return (now - self.decided_at).total_seconds() if self.decided_at else 0.0

    def result(self, error: BaseException | None) -> RunResult:
        """Return how a run ended that ended now: with error, or at rest."""
        match error:
            case None:
                return result_at_rest(self.taken, self.rest)
            case Busy():
                return RunResult.BUSY
            case Stopping() | LeaseLost():
                return RunResult.INTERRUPTED
            case Exception():
                return RunResult.FAILED
            case _:  # cancelled
                return RunResult.INTERRUPTED

    @property
    def steps(self) -> list[str]:
        """The names of the steps taken, in order."""
        return [kind.__name__ for kind in self.taken]

    @property
    def rest(self) -> Reason | None:
        """Why the gateway rests, if the last decision was to rest."""
        return self.step.reason if isinstance(self.step, Rest) else None

    def times(self, policy: Policy) -> tuple[datetime, datetime] | None:
        """Return when the first of the tokens in force expires, and when it is due."""
        if self.last is None or self.last.current is None:
            return None
        return earliest(self.last).expires_at, renewal_time(self.last, policy)

    def fields(self, policy: Policy) -> Fields:
        """Return the tokens before and after, what comes next, and what was under way, for a log line."""
        before, after = (
            observation.current if observation else None for observation in (self.first, self.last)
        )
        fields: Fields = {"from": before.token.fingerprint if before else None}
        if self.last and after and (times := self.times(policy)):
            key = self.last.key(after.token)
            fields |= {"to": after.token.fingerprint, "key": key.value if key else None}
            fields |= {"expires_at": _iso(times[0]), "next_renewal": _iso(times[1])}
        if isinstance(self.step, Rest) and self.why:
            fields |= {"next_look": _iso(self.step.until), "why": self.why.text}
        elif self.pending:
            fields |= {"unfinished": type(self.step).__name__}
        return fields


def _iso(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
