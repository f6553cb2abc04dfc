"""Counts what the state machine covered: numbers for the end of a test session."""

from __future__ import annotations

from collections import Counter

COUNTS: Counter[str] = Counter()
CRASH_POINTS: set[tuple[str, str, str]] = set()
"""Where processes crashed: at which step, at which call, before or after it."""
CALL_FAULTS: set[tuple[str, str, str]] = set()
"""Which fault happened to which call, before or after it."""


def summary(prefix: str = "") -> str:
    """Return the numbers as one line."""
    parts = [f"{number} {what}" for what, number in sorted(COUNTS.items())]
    parts += [
        f"{len(CRASH_POINTS)} different crash points",
        f"{len(CALL_FAULTS)} different faults of calls",
    ]
    return prefix + ", ".join(parts)


def clear() -> None:
    COUNTS.clear()
    CRASH_POINTS.clear()
    CALL_FAULTS.clear()
