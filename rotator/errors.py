"""Errors, named by what to do about them."""

from __future__ import annotations

from datetime import timedelta


class RotatorError(Exception):
    """Base of every error that this package raises on purpose. Its text never holds a token."""


class Conflict(RotatorError):  # noqa: N818 - named by what it is, as HTTP names it
    """Another writer changed the object since it was read: observe again."""


class LeaseLost(RotatorError):  # noqa: N818
    """Another process holds the gateway's Lease: stop and write nothing."""


class Busy(RotatorError):  # noqa: N818
    """Another process acts on the gateway: look later."""


class Stopping(RotatorError):  # noqa: N818
    """The process is shutting down: the step under way is finished, the next one is not begun."""


class Unavailable(RotatorError):  # noqa: N818
    """Azure or a cluster did not answer, or the outcome is unknown: retry later.

    retry_after: how long to wait, if the other side said it.
    """

    def __init__(self, message: str, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


def requested_pause(error: BaseException) -> timedelta | None:
    """Return how long the other side asked to wait, if error says so."""
    return error.retry_after if isinstance(error, Unavailable) else None


class Refused(RotatorError):  # noqa: N818
    """The operator has to change something first. message: what was refused. remedy: a sentence that says
    what to change.
    """

    def __init__(self, message: str, remedy: str) -> None:
        self.message = message.rstrip(".")
        self.remedy = remedy
        super().__init__(f"{self.message}. {remedy}")


class ConfigError(RotatorError):
    """The configuration cannot be used. errors: each with its path and what to write instead."""

    def __init__(self, errors: tuple[str, ...]) -> None:
        super().__init__("\n".join(errors))
        self.errors = errors
