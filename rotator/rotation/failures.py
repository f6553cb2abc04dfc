"""Failures of one target, or of one key. Everything else goes on without it."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from rotator.core.observation import Target
from rotator.core.records import Key
from rotator.errors import Refused, RotatorError, Unavailable

TARGET_RETRY = timedelta(seconds=30)
"""How long no step is taken at a target after a fault that passes by itself."""


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
    """A target could not be changed. error: the cause, whose text is this one's."""

    def __init__(self, target: str, error: Refused | Unavailable) -> None:
        super().__init__(str(error))
        self.target = target
        self.error = error


class KeyRegenerationFailed(RotatorError):  # noqa: N818
    """A key could not be regenerated, or it is not known whether it was. error: the cause. sent: whether a
    call was made, which may arrive late.
    """

    def __init__(self, key: Key, error: Refused | Unavailable, *, sent: bool = True) -> None:
        super().__init__(str(error))
        self.sent = sent
        self.key = key
        self.error = error


class TokenUnrecoverable(RotatorError):  # noqa: N818
    """No target that answers holds the value of a token, and the issuer does not return it again."""

    def __init__(self, fingerprint: str) -> None:
        super().__init__(
            f"the value of token {fingerprint} is lost: no target holds it, and Azure does not issue it again"
        )
        self.fingerprint = fingerprint


async def for_target(target: Target, change: Awaitable[None]) -> None:
    """Await change of target. Raises TargetFailed for Refused and Unavailable; other errors come through."""
    try:
        await change
    except (Refused, Unavailable) as error:
        raise TargetFailed(target.name, error) from error


def combine(errors: Iterable[Refused | Unavailable]) -> Refused | Unavailable:
    """Return one error that says all of them, with the longest of their retry_after."""
    found = list({str(e): e for e in errors}.values())
    if len(found) == 1:
        return found[0]
    text = "; ".join(str(e) for e in found)
    refused = [e for e in found if isinstance(e, Refused)]
    if refused:
        return Refused(text, "Fix each of these")
    waits = [e.retry_after for e in found if isinstance(e, Unavailable) and e.retry_after]
    return Unavailable(text, max(waits, default=None))
