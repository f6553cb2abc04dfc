"""Exit codes, for scripts."""

from __future__ import annotations

from enum import IntEnum

from rotator.errors import Busy, ConfigError, LeaseLost, RotatorError, Stopping


class UsageError(RotatorError):
    """The command line has an error; nothing was done."""


class Exit(IntEnum):
    OK = 0
    UNSETTLED = 1
    USAGE = 2
    UNAVAILABLE = 3
    BUSY = 4
    ROLLED_BACK = 5
    BUG = 70
    INTERRUPTED = 130

    @property
    def meaning(self) -> str:
        return MEANINGS[self]


MEANINGS = {
    Exit.OK: "Done, and proven where something was done; or there was nothing to do.",
    Exit.UNSETTLED: "At least one gateway is not proven: a rollout hangs, a target is missing.",
    Exit.USAGE: "The command line or the configuration has an error, or a port is taken; nothing was done.",
    Exit.UNAVAILABLE: "Azure or Kubernetes did not answer, or refused. Run the command again: it continues.",
    Exit.BUSY: "Another process works on the gateway and did not finish in time.",
    Exit.ROLLED_BACK: "The pods did not come up with the new token; the rotator restored the previous one.",
    Exit.BUG: "A defect of this program.",
    Exit.INTERRUPTED: "Ctrl-C or SIGTERM; the step under way was finished.",
}


def exit_for(error: RotatorError) -> Exit:
    """Return the code for an error that ended a command."""
    match error:
        case ConfigError() | UsageError():
            return Exit.USAGE
        case Busy() | LeaseLost():
            return Exit.BUSY
        case Stopping():
            return Exit.INTERRUPTED
        case _:
            return Exit.UNAVAILABLE


def worst(codes: list[Exit]) -> Exit:
    """Return the exit code for several gateways: the one that most needs the operator's attention."""
    order = [
        Exit.BUG,
        Exit.INTERRUPTED,
        Exit.UNAVAILABLE,
        Exit.ROLLED_BACK,
        Exit.BUSY,
        Exit.UNSETTLED,
        Exit.USAGE,
        Exit.OK,
    ]
    return next((c for c in order if c in codes), Exit.OK)
