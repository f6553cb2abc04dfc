"""Durations as text: as the configuration writes them, rounded, and as people read them."""

from __future__ import annotations

from datetime import timedelta

_UNITS = (
    ("d", timedelta(days=1)),
    ("h", timedelta(hours=1)),
    ("m", timedelta(minutes=1)),
    ("s", timedelta(seconds=1)),
    ("ms", timedelta(milliseconds=1)),
    ("us", timedelta(microseconds=1)),
)
_HUMAN_UNITS = {"d": "d", "h": "h", "m": "min", "s": "s"}
"""The units that people read, by the configuration's name. Anything shorter is rounded to seconds."""


def exact(duration: timedelta) -> str:
    """Return a duration that is not negative as the configuration writes it: `5d`, `1h30m`."""
    return "".join(f"{count}{unit}" for unit, count in _counts(duration) if count) or "0s"


def rounded(duration: timedelta) -> str:
    """Return a duration in whole numbers of its largest unit, rounded down: `9d` for 9d16h."""
    return next((f"{count}{unit}" for unit, count in _counts(duration) if count), "0s")


def human_duration(duration: timedelta) -> str:
    """Return a duration in its two largest units: `6 d 3 h`, `12 min 5 s`; a negative one as `0 s`."""
    seconds = timedelta(seconds=max(0, round(duration.total_seconds())))
    counts = [(_HUMAN_UNITS[unit], count) for unit, count in _counts(seconds) if unit in _HUMAN_UNITS]
    first = next((n for n, (_, count) in enumerate(counts) if count), len(counts))
    return " ".join(f"{count} {unit}" for unit, count in counts[first : first + 2] if count) or "0 s"


def _counts(duration: timedelta) -> list[tuple[str, int]]:
    """Return how many of each unit a duration is, the largest unit first."""
    counts, rest = [], duration
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        counts.append((unit, count))
    return counts
