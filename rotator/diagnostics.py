"""Tells of an unforeseen exception without its text, which may quote a Secret."""

from __future__ import annotations

import traceback
from itertools import islice

DEEPEST = 6


def exception_details(error: BaseException) -> dict[str, object]:
    """Return the class of error and where it came from, innermost call first, as `extra` of a log record."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [
        f"{f.filename.rpartition('/')[2]}:{f.lineno} {f.name}" for f in islice(reversed(frames), DEEPEST)
    ]
    return {"error": type(error).__name__, "where": places}
