"""How long to wait after failures: doubling back-off, and what a server asks for in Retry-After."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rotator.clock_offset import parse_http_date

MAX_RETRY_AFTER = timedelta(hours=1)
"""The longest wait that a server may ask for. A proxy's maintenance page may ask for days; a token would
expire meanwhile.
"""
_MAX_DOUBLINGS = 16
"""Bounds how often a wait is doubled, so that no count of failures overflows."""
_SECONDS = re.compile(r"[0-9]{1,8}(?:\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Backoff:
    """first: the wait after one failure; it doubles with each failure in a row up to longest."""

    first: timedelta
    longest: timedelta

    def delay(self, failures: int, retry_after: timedelta | None = None, *, jitter: float = 0.0) -> timedelta:
        """Return the wait after so many failures in a row (at least one), never below retry_after.

        jitter: a number in [0, 1). It adds up to a quarter of the back-off, so that waiters of the same
        failure do not come back at once.
        """
        plain = min(self.first * (1 << min(failures - 1, _MAX_DOUBLINGS)), self.longest)
        return max(plain, retry_after or timedelta()) + plain / 4 * jitter


GATEWAY_BACKOFF = Backoff(first=timedelta(seconds=2), longest=timedelta(minutes=5))
"""After a failed run of a gateway."""


def gateway_delay(gateway: str, failures: int, retry_after: timedelta | None = None) -> timedelta:
    """Return the wait of a gateway after so many failed runs in a row: 2 s, 4 s … 5 min.

    The jitter depends on the gateway and the count alone: the same arguments give the same wait.
    """
    return GATEWAY_BACKOFF.delay(failures, retry_after, jitter=spread(f"{gateway}/{failures}"))


def spread(text: str) -> float:
    """Return a number in [0, 1) that depends on text alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) / 2**32


def parse_retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """Return the wait that Retry-After asks for, at most MAX_RETRY_AFTER; None if it says nothing usable.

    The header holds seconds or a date (RFC 9110, section 10.2.3). A date is compared with the answer's
    own `Date`, else with this machine's clock.
    """
    text = str(headers.get("Retry-After", "")).strip()
    if _SECONDS.fullmatch(text):
        return min(timedelta(seconds=float(text)), MAX_RETRY_AFTER)
    if (until := parse_http_date(text)) is None:
        return None
    sent = parse_http_date(str(headers.get("Date", ""))) or datetime.now(UTC)
    return min(max(until - sent, timedelta()), MAX_RETRY_AFTER)
