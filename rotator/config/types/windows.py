"""Maintenance windows and freezes: when the rotator may do work that can wait."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Annotated
from zoneinfo import ZoneInfo

from cronsim import CronSim
from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from rotator.config.schema.table import Table
from rotator.config.types.cron import Cron, shortest_gap
from rotator.config.types.durations import Duration
from rotator.core.observation import ALWAYS, MaintenanceWindow
from rotator.durations import exact

_MAX_WINDOWS = 1000
"""Windows without a gap that closes() follows. It is asked again at the end of the last one."""


def _zone(written: object) -> object:
    if isinstance(written, ZoneInfo):
        return written
    try:
        return ZoneInfo(str(written))
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(
            'is not a time zone. Write a name of the tz database, such as "Europe/Oslo" or "UTC"'
        ) from None


def _freeze(written: object) -> object:
    if isinstance(written, bool) or (isinstance(written, datetime) and written.tzinfo):
        return written
    raise ValueError(
        "must be true, false, or a time with a zone and without quotes. Write freeze = true, "
        "or freeze = 2027-01-02T08:00:00+01:00 for a freeze that ends by itself"
    )


Zone = Annotated[ZoneInfo, BeforeValidator(_zone)]
Freeze = Annotated[bool | datetime, BeforeValidator(_freeze)]
"""True: until the operator takes the line out. A time with a zone: until then."""


class WindowTable(Table):
    """A time for restarts. It opens by cron (5 fields, as Debian's cron reads them) on the clocks of zone
    and lasts for duration.
    """

    model_config = Table.model_config | {"arbitrary_types_allowed": True}

    cron: Cron = Field(examples=['"0 22 * * 1-5"'])
    duration: Duration = Field(examples=['"4h"'])
    zone: Zone = Field(default=ZoneInfo("UTC"), examples=['"Europe/Oslo"'])

    @field_validator("duration")
    @classmethod
    def _ends_before_it_opens_again(cls, duration: timedelta, others: ValidationInfo) -> timedelta:
        cron = others.data.get("cron")  # absent: it has an error of its own
        if cron and duration > (gap := shortest_gap(cron)):
            raise ValueError(
                f"must not be longer than {exact(gap)}, after which this cron opens it again: it is "
                f'{exact(duration)}. Write "{exact(gap)}" or less, or a cron that comes less often: '
                '"0 22 * * *" is once a day, "* 22 * * *" each minute of that hour'
            )
        return duration

    def closes(self, now: datetime) -> datetime | None:
        """Return when the window that is open at now (UTC) closes; None: it is closed."""
        end: datetime | None = None
        for start in islice(self._starts(now - self.duration), _MAX_WINDOWS):
            if start > (end or now):
                break
            end = start + self.duration
        return end

    def opens(self, now: datetime) -> datetime | None:
        """Return when it opens next after now (UTC)."""
        return next(self._starts(now), None)

    def _starts(self, after: datetime) -> Iterator[datetime]:
        for start in CronSim(self.cron, after.astimezone(self.zone)):
            # In the hour that comes twice when clocks go back, cronsim counts from its first passage.
            if (at := start.astimezone(UTC)) > after:
                yield at


@dataclass(frozen=True, slots=True)
class Calendar:
    """No windows: always open. A freeze closes whatever windows say."""

    windows: tuple[WindowTable, ...] = ()
    freeze: bool | datetime = False

    def hours(self, now: datetime) -> MaintenanceWindow:
        """Return whether it is open at now (UTC), and when that may change."""
        if isinstance(self.freeze, datetime) and now < self.freeze:
            return MaintenanceWindow(
                False, self.freeze.astimezone(UTC), f"frozen until {self.freeze:%Y-%m-%d %H:%M %Z}"
            )
        if self.freeze is True:
            return MaintenanceWindow(False, None, "frozen until the line is taken out of the configuration")
        if not self.windows:
            return ALWAYS
        ends = [end for w in self.windows if (end := w.closes(now))]
        if ends:
            return MaintenanceWindow(True, max(ends))
        opens = min((at for w in self.windows if (at := w.opens(now))), default=None)
        when = f"; the next one opens at {opens:%Y-%m-%d %H:%M} UTC" if opens else ""
        return MaintenanceWindow(False, opens, f"outside its maintenance windows{when}")
