"""What goes wrong with one target, or with a key, while everything else may go on."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from rotator.core.observation import Target
from rotator.core.records import Key
from rotator.errors import Refused, RotatorError, Unavailable

TARGET_RETRY = timedelta(seconds=30)
"""So long a target is left alone after a fault that passes by itself."""


@dataclass(frozen=True, slots=True)
class TargetFailure:
    """until: when to try again within the same run; None: not in this one."""

    error: Refused | Unavailable
    until: datetime | None = None

    @classmethod
    def of(cls, error: Refused | Unavailable, now: datetime) -> Self:
        wait = (error.retry_after or TARGET_RETRY) if isinstance(error, Unavailable) else None
        return cls(error, now + wait if wait else None)

    def passed(self, now: datetime) -> bool:
        return self.until is not None and now >= self.until


class TargetFailed(RotatorError):  # noqa: N818 - named by what it is
    """A target that could not be changed. error: why; its text is this one's."""

    def __init__(self, target: str, error: Refused | Unavailable) -> None:
        super().__init__(str(error))
        self.target = target
        self.error = error


class KeyRegenerationFailed(RotatorError):  # noqa: N818
    """A key that could not be regenerated, or whose fate is unknown. error: why. sent: whether a call was
    made, which may arrive late.
    """

    def __init__(self, key: Key, error: Refused | Unavailable, *, sent: bool = True) -> None:
        super().__init__(str(error))
        self.sent = sent
        self.key = key
        self.error = error


class TokenUnrecoverable(RotatorError):  # noqa: N818
    """A token whose value nobody who answers holds, and that the issuer does not give again."""

    def __init__(self, fingerprint: str) -> None:
        super().__init__(f"token {fingerprint} can no longer be had")
        self.fingerprint = fingerprint


async def for_target(target: Target, change: Awaitable[None]) -> None:
    """Await change, and say which target it was if it failed. Raises Troubled; all else comes through."""
    try:
        await change
    except (Refused, Unavailable) as error:
        raise TargetFailed(target.name, error) from error


def combine(errors: Iterable[Refused | Unavailable]) -> Refused | Unavailable:
    """Return one error that says all of them: who retries waits for the longest of their wishes."""
    found = list({str(e): e for e in errors}.values())
    if len(found) == 1:
        return found[0]
    text = "; ".join(str(e) for e in found)
    refused = [e for e in found if isinstance(e, Refused)]
    if refused:
        return Refused(text, "Each of these has to be mended")
    waits = [e.retry_after for e in found if isinstance(e, Unavailable) and e.retry_after]
    return Unavailable(text, max(waits, default=None))
