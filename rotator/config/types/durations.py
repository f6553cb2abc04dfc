"""Durations in the file: "30s", "1h30m", "29d"."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import durationpy
from pydantic import BeforeValidator

_WRITE = 'Write a number and a unit, such as "30s", "15m", "1h30m" or "29d"'
MAX_DURATION = timedelta(days=366)
"""The longest duration. Adding it to a date never exceeds the last year that Python knows."""


def parse_duration(text: object) -> timedelta:
    """Return the duration in text; a timedelta as it is.

    Raises:
        ValueError: text is not a duration longer than zero; says what to write.
    """
    duration = _parse(text)
    if duration <= timedelta():
        raise ValueError(f"must be longer than zero. {_WRITE}")
    return duration


def parse_duration_or_zero(text: object) -> timedelta:
    """As parse_duration, but "0s" is allowed."""
    duration = _parse(text)
    if duration < timedelta():
        raise ValueError(f"must not be negative. {_WRITE}")
    return duration


def _parse(text: object) -> timedelta:
    duration = text if isinstance(text, timedelta) else _read(text)
    if duration > MAX_DURATION:
        raise ValueError(f"must not be longer than a year. {_WRITE}")
    return duration


def _read(text: object) -> timedelta:
    if not isinstance(text, str):
        raise ValueError(f"must be a duration in quotes. {_WRITE}")  # noqa: TRY004 - pydantic collects only ValueErrors
    try:
        return durationpy.from_str(text)
    except ValueError:  # durationpy's own error is one
        raise ValueError(f"is not a duration. {_WRITE}") from None


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
DurationOrZero = Annotated[timedelta, BeforeValidator(parse_duration_or_zero)]
