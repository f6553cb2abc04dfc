"""Lengths of time as people write them: "30s", "1h30m", "29d"."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import durationpy
from pydantic import BeforeValidator

_WRITE = 'Write a number and a unit, such as "30s", "15m", "1h30m" or "29d"'
_LONGEST = timedelta(days=366)
"""Whatever is added to a time of day stays one."""


def parse_duration(text: object) -> timedelta:
    """Return the length of time in text; a timedelta is taken as it is.

    Raises:
        ValueError: text is no length of time, or not longer than nothing; says what to write.
    """
    length = _parse(text)
    if length <= timedelta():
        raise ValueError(f"must be longer than nothing. {_WRITE}")
    return length


def parse_duration_or_zero(text: object) -> timedelta:
    """As parse_duration, but "0s" is allowed."""
    length = _parse(text)
    if length < timedelta():
        raise ValueError(f"must not be negative. {_WRITE}")
    return length


def _parse(text: object) -> timedelta:
    length = text if isinstance(text, timedelta) else _read(text)
    if length > _LONGEST:
        raise ValueError(f"must not be longer than a year. {_WRITE}")
    return length


def _read(text: object) -> timedelta:
    if not isinstance(text, str):
        raise ValueError(f"must be a length of time in quotes. {_WRITE}")  # noqa: TRY004 - pydantic collects only ValueErrors
    try:
        return durationpy.from_str(text)
    except ValueError:  # durationpy's own error is one
        raise ValueError(f"is no length of time. {_WRITE}") from None


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
DurationOrZero = Annotated[timedelta, BeforeValidator(parse_duration_or_zero)]
