"""Exit codes, for scripts."""

from __future__ import annotations

from enum import IntEnum

from rotator.errors import Busy, ConfigError, LeaseLost, RotatorError, Stopping


class Exit(IntEnum):
    OK = 0
    """Done, and proven where something was done; or there was nothing to do."""
    UNSETTLED = 1
    """At least one gateway is not proven: a rollout hangs, a target is missing."""
    USAGE = 2
    """The command line or the configuration has a mistake; nothing was done."""
    UNAVAILABLE = 3
    """Azure or Kubernetes did not answer, or refused; what was done is on the objects, run it again."""
    BUSY = 4
    """Another process works on the gateway and did not finish in time."""
    BUG = 70
    """A defect of this program."""
    INTERRUPTED = 130
    """Ctrl-C or SIGTERM; the step under way was finished."""


def exit_for(error: RotatorError) -> Exit:
    """Return the code for an error that ended a command."""
    match error:
        case ConfigError():
            return Exit.USAGE
        case Busy() | LeaseLost():
            return Exit.BUSY
        case Stopping():
            return Exit.INTERRUPTED
        case _:
            return Exit.UNAVAILABLE


def worst(codes: list[Exit]) -> Exit:
    """Return what to tell of several gateways: the code that most needs somebody's eye."""
    order = [Exit.BUG, Exit.INTERRUPTED, Exit.UNAVAILABLE, Exit.BUSY, Exit.UNSETTLED, Exit.USAGE, Exit.OK]
    return next((c for c in order if c in codes), Exit.OK)
