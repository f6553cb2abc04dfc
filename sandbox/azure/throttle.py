"""ARM's throttling: a token bucket that refills at a constant rate."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class TokenBucket:
    """Holds at most `size` requests and gains `per_second`; `clock` is monotonic, in seconds."""

    size: float
    per_second: float
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    left: float = field(init=False)
    _at: float = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.left, self._at = self.size, self.clock()

    def take(self) -> float:
        """Take one request and return 0.0, or return the seconds to wait and take none."""
        now = self.clock()
        self.left = min(self.size, self.left + (now - self._at) * self.per_second)
        self._at = now
        if self.left >= 1:
            self.left -= 1
            return 0.0
        return (1 - self.left) / self.per_second
