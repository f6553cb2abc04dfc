"""Compares this machine's clock with another's by the `Date` header of the other's answers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime


@dataclass(frozen=True, slots=True)
class OffsetRange:
    """The other clock minus this machine's lies between low and high.

    An answer was made between the request and its arrival. A process that was held up reads it late, so
    the range is as wide as the exchange took.
    """

    low: timedelta
    high: timedelta

    @property
    def took(self) -> timedelta:
        return self.high - self.low

    def nearest(self, offset: timedelta) -> timedelta:
        """Return the offset within the range that differs least from offset."""
        return min(max(offset, self.low), self.high)


def measure_offset(headers: Mapping[str, str], sent: datetime | None, now: datetime) -> OffsetRange | None:
    """Return how far off the clock of the sender of headers is; None if `Date` is missing or unreadable.

    sent, now: when this machine sent the request (None: at once before now) and read the answer, both in
    UTC by its own clock.
    """
    if (date := parse_http_date(headers.get("Date", ""))) is None:
        return None
    return OffsetRange(date - now, date - min(sent or now, now))


def parse_http_date(text: str) -> datetime | None:
    """Return the time in an HTTP header; None if text is not a date. Without a zone it is in UTC."""
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def describe_offset(offset: timedelta) -> str:
    """Return where this machine's clock stands: `12 s behind`, `600 s ahead of`."""
    seconds = round(offset.total_seconds())
    return f"{abs(seconds)} s {'behind' if seconds > 0 else 'ahead of'}"
