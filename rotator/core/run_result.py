"""How one run of a rotation ended: the word that log line, metric and exit code share."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum

from rotator.core.records import PROVEN, Reason
from rotator.core.steps import Adopt, RollBack, Step


class RunResult(StrEnum):
    RESTED = "rested"
    """There was nothing to do."""
    ADOPTED = "adopted"
    """A valid token that the rotator had not issued is on record now."""
    ROTATED = "rotated"
    """A token was issued, written or restored, and every pod is proven to run it."""
    ROLLED_BACK = "rolled-back"
    """Pods did not become ready with a token, and the previous one was restored; it is tried again later."""
    HELD = "held"
    """What is left to do waits for a maintenance window or for the end of a freeze."""
    UNSETTLED = "unsettled"
    """What is left to do needs time or the operator."""
    BUSY = "busy"
    """Another process works on the gateway."""
    INTERRUPTED = "interrupted"
    """The process stops, or another process took the Lease."""
    FAILED = "failed"
    """An error ended the run."""


NOTHING_DONE = frozenset({RunResult.RESTED, RunResult.BUSY})
"""Results of runs that did nothing: they are not counted, and logged at level debug."""


def result_at_rest(taken: Collection[type[Step]], reason: Reason | None) -> RunResult:
    """Return the result of a run without an error. taken: the kinds of the steps taken; reason: why the
    gateway rests, None if it does not.
    """
    if RollBack in taken:
        return RunResult.ROLLED_BACK
    if reason not in PROVEN:
        return RunResult.HELD if reason is Reason.HELD else RunResult.UNSETTLED
    if not taken:
        return RunResult.RESTED
    return RunResult.ADOPTED if set(taken) == {Adopt} else RunResult.ROTATED
