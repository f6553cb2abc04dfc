"""The time of day by an API server's clock, as each of its answers tells in its `Date` header.

The rotator compares the times in its records with times that the cluster writes, such as when a container
started. With a clock that is minutes off it would trust pods that run another token.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from rotator.clock_offset import describe_offset, measure_offset

TOLERANCE = timedelta(seconds=5)
"""An offset below this counts as none: a `Date` has whole seconds, and an answer takes some time."""
_log = logging.getLogger("rotator.kube")


def local_time() -> datetime:
    """Return the time of day (UTC) by this machine's clock."""
    return datetime.now(UTC)


class ServerClock:
    """offset: the server's clock minus this machine's; zero while they agree within TOLERANCE."""

    def __init__(self) -> None:
        self.offset = timedelta()

    def now(self) -> datetime:
        """Return the time of day (UTC) by the server's clock."""
        return local_time() + self.offset

    def record(self, headers: Mapping[str, str], sent: datetime | None = None) -> None:
        """Compare the `Date` of an answer that has just arrived. Ignores a `Date` that cannot be read.

        sent: when the request was sent (UTC, this machine's clock). The answer may have waited in the socket
        while this process was suspended: it contradicts the offset only if no moment since then explains its
        `Date`.
        """
        if (found := measure_offset(headers, sent, local_time())) is None:
            return
        if found.took > TOLERANCE and abs(found.nearest(self.offset) - self.offset) <= TOLERANCE:
            return
        measured = found.low
        if abs(measured) <= TOLERANCE:
            measured = timedelta()
        if abs(measured - self.offset) <= TOLERANCE and measured:
            return  # the same offset, as far as the measurement can tell
        if measured != self.offset:
            self.offset = measured
            self._log_offset()

    def _log_offset(self) -> None:
        seconds = round(self.offset.total_seconds())
        if not seconds:
            _log.info("this machine's clock agrees with the cluster's again")
            return
        _log.warning(
            "this machine's clock is %s the cluster's; the rotator uses the cluster's time. Check NTP",
            describe_offset(self.offset),
            extra={"seconds": seconds},
        )
