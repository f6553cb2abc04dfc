"""What time it is for an API server, as each of its answers says.

Records carry stamps of ours and are compared with stamps of the cluster, such as when a container
started. A clock that is minutes off would make us trust pods that we should not.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

TOLERANCE = timedelta(seconds=5)
"""A `Date` has whole seconds, and an answer takes some time: less than this is nothing."""
_log = logging.getLogger("rotator.kube")


def local_time() -> datetime:
    """Return the time of day (UTC) by this machine's clock."""
    return datetime.now(UTC)


class ServerTime:
    """offset: the server's clock minus ours; nothing while they agree within TOLERANCE."""

    def __init__(self) -> None:
        self.offset = timedelta()

    def now(self) -> datetime:
        """Return the time of day (UTC) by the server's clock."""
        return local_time() + self.offset

    def note(self, headers: Mapping[str, str], sent: datetime | None = None) -> None:
        """Look at the `Date` of an answer that has just begun. One that cannot be read says nothing.

        sent: when it was asked for (UTC, our clock). An answer may have waited for us while this process
        was held up: it contradicts the offset only if no moment since then would explain its `Date`.
        """
        try:
            at = parsedate_to_datetime(headers.get("Date", ""))
        except (ValueError, TypeError):
            return
        at, now = at.replace(tzinfo=at.tzinfo or UTC), local_time()
        measured = at - now
        took = now - sent if sent else timedelta()
        if took > TOLERANCE and -TOLERANCE <= self.offset - measured <= took + TOLERANCE:
            return
        if abs(measured) <= TOLERANCE:
            measured = timedelta()
        if abs(measured - self.offset) <= TOLERANCE and measured:
            return  # as before, but for what the measurement cannot tell
        if measured != self.offset:
            self.offset = measured
            self._tell()

    def _tell(self) -> None:
        seconds = round(self.offset.total_seconds())
        if not seconds:
            _log.info("this machine's clock agrees with the cluster's again")
            return
        side = "behind" if seconds > 0 else "ahead of"
        _log.warning(
            "this machine's clock is %d s %s the cluster's: the cluster's time is used. Set it right (NTP)",
            abs(seconds),
            side,
            extra={"seconds": seconds},
        )
