"""What came of one run: the material of the canonical log line, the metrics and the exit code."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rotator.core.due import earliest, renewal_time
from rotator.core.plan import resting
from rotator.core.policy import Policy
from rotator.core.records import Token
from rotator.core.seen import Observed
from rotator.core.steps import Adopt, Rest, Step
from rotator.core.words import Reason


class Result(StrEnum):
    RESTED = "rested"
    """Nothing was to be done."""
    ADOPTED = "adopted"
    """A live token that was not ours is written down now."""
    ROTATED = "rotated"
    """A token was issued, spread or put back, and every pod is proven to run it."""
    UNSETTLED = "unsettled"
    """What could be done is done; something is left that needs time or somebody's help."""
    BUSY = "busy"
    """Another process is at it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """before and after: the current token at the first and the last look (None: none yet)."""

    result: Result
    reason: Reason | None = None
    rest: Rest | None = None
    before: Token | None = None
    after: Token | None = None
    renewal_at: datetime | None = None
    seen: Observed | None = None


def conclude(first: Observed, last: Observed, rest: Rest, policy: Policy) -> Outcome:
    """Return the outcome of a run without any step that came to rest."""
    before, after = (seen.current for seen in (first, last))
    return Outcome(
        judge(last, ()),
        rest.reason,
        rest,
        before.token if before else None,
        after.token if after else None,
        renewal_time(last, policy) if after else None,
        last,
    )


def judge(last: Observed, taken: Collection[type[Step]]) -> Result:
    if last.unreachable or not last.targets or not all(resting(t) for t in last.targets):
        return Result.UNSETTLED
    if not taken:
        return Result.RESTED
    return Result.ADOPTED if set(taken) == {Adopt} else Result.ROTATED


def current_token(seen: Observed) -> Token | None:
    """Return the token that runs out first among those in force, if there is any."""
    return earliest(seen) if seen.current else None
