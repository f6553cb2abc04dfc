"""What the machine went through: numbers for the end of a session."""

from __future__ import annotations

from collections import Counter

TALLY: Counter[str] = Counter()
CRASHED: set[tuple[str, str, str]] = set()
"""Where processes died: at which step, at which call, before or after it."""
FAULTS: set[tuple[str, str, str]] = set()
"""What went wrong with which call, at which step."""


def told(prefix: str = "") -> str:
    """Return the numbers as one line."""
    parts = [f"{n} {what}" for what, n in sorted(TALLY.items())]
    parts += [f"{len(CRASHED)} different crash points", f"{len(FAULTS)} different faults of calls"]
    return prefix + ", ".join(parts)
