"""How long to leave a gateway alone after a run that failed. Pure: the same for the same arguments."""

from __future__ import annotations

import hashlib
from datetime import timedelta

FIRST = timedelta(seconds=2)
LONGEST = timedelta(minutes=5)


def delay(gateway: str, failures: int, retry_after: timedelta | None = None) -> timedelta:
    """Return the wait after so many failures in a row (at least one): 2 s, 4 s … 5 min.

    Up to a quarter more, by gateway and count, so that a fleet does not come back all at once.
    retry_after: what the other side asked for; never undercut.
    """
    plain = min(FIRST * (1 << min(failures - 1, 16)), LONGEST)
    wait = max(plain, retry_after or timedelta())
    return wait + plain / 4 * spread(f"{gateway}/{failures}")


def spread(text: str) -> float:
    """Return a number in [0, 1) that depends on text alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) / 2**32
