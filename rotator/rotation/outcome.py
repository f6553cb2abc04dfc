"""What came of one run: the material of the exit code and of what is done next."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from rotator.core.observation import Observation
from rotator.core.steps import Adopt, Rest, RollBack, Step
from rotator.core.verification import resting


class Result(StrEnum):
    RESTED = "rested"
    """Nothing was to be done."""
    ADOPTED = "adopted"
    """A live token that was not ours is written down now."""
    ROTATED = "rotated"
    """A token was issued, spread or put back, and every pod is proven to run it."""
    ROLLED_BACK = "rolled-back"
    """A token that pods did not come up with was replaced by the one before; it is tried again later."""
    UNSETTLED = "unsettled"
    """What could be done is done; something is left that needs time or somebody's help."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """first and last: what was seen at the first and at the last look."""

    result: Result
    rest: Rest
    first: Observation
    last: Observation


def conclude(first: Observation, last: Observation, rest: Rest, taken: Collection[type[Step]]) -> Outcome:
    """Return the outcome of a run that took steps of these kinds and came to rest."""
    return Outcome(judge(last, taken), rest, first, last)


def judge(last: Observation, taken: Collection[type[Step]]) -> Result:
    if RollBack in taken:
        return Result.ROLLED_BACK
    if last.unreachable or not last.targets or not all(resting(t) for t in last.targets):
        return Result.UNSETTLED
    if not taken:
        return Result.RESTED
    return Result.ADOPTED if set(taken) == {Adopt} else Result.ROTATED
