"""Describes exceptions without the text of unforeseen ones, which may quote a Secret."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from itertools import islice

from rotator.errors import RotatorError

MAX_FRAMES = 6
"""The innermost calls of a traceback that a log record lists."""


def exception_details(error: BaseException) -> dict[str, object]:
    """Return the class of error and where it came from, innermost call first, as `extra` of a log record."""
    frames = reversed(traceback.extract_tb(error.__traceback__))
    where = [f"{f.filename.rpartition('/')[2]}:{f.lineno} {f.name}" for f in islice(frames, MAX_FRAMES)]
    return {"error": type(error).__name__, "where": where}


def exception_summary(error: BaseException) -> str:
    """Return the class and text of an error of this package; of any other exception only its class."""
    name = type(error).__name__
    return f"{name}: {error}" if isinstance(error, RotatorError) else name


def causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield error, its cause, the cause's cause …, including the inner exceptions of the Azure SDK."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        yield error
        error = error.__cause__ or getattr(error, "inner_exception", None)
