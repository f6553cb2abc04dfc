"""Cron expressions of five fields, as Debian's cron reads them: `0 22 * * 1-5`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice, pairwise
from typing import Annotated

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator

_SOME_DAY = datetime(2026, 1, 1, tzinfo=UTC)
_FIELDS = "minute, hour, day of the month, month, weekday"
_WRITE = f'Write five fields ({_FIELDS}), such as "0 22 * * 1-5"'
_SAMPLE = 100
"""How many times in a row shortest_gap compares."""


def check_cron(text: str) -> str:
    """Return text if it is a cron expression that occurs, or raise ValueError."""
    if (count := len(text.split())) != 5:  # cronsim would take the first of six for seconds
        raise ValueError(f"is not a cron expression: it has {count} field{'s' * (count != 1)}. {_WRITE}")
    try:
        found = next(CronSim(text, _SOME_DAY), None)
    except CronSimError as error:
        if not _is_a_day_of_some_month(text):
            wrong = str(error).removeprefix("Bad ")
            raise ValueError(f"is not a cron expression: its {wrong} cannot be read. {_WRITE}") from None
        found = None
    if found is None:
        raise ValueError('never occurs. Write a day that its months have, such as "0 22 1 * *"')
    return text


def _is_a_day_of_some_month(text: str) -> bool:
    """Whether the only error is a day that its months do not have."""
    minute, hour, day, month, weekday = text.split()
    try:
        for fields in ((minute, hour, day, "*", weekday), (minute, hour, "1", month, weekday)):
            CronSim(" ".join(fields), _SOME_DAY)
    except CronSimError:
        return False
    return True


@lru_cache(maxsize=256)
def shortest_gap(cron: str) -> timedelta:
    """Return the shortest time between two occurrences, without clock changes. cron is valid."""
    times = islice(CronSim(cron, _SOME_DAY), _SAMPLE)
    return min((later - sooner for sooner, later in pairwise(times)), default=timedelta.max)


Cron = Annotated[str, AfterValidator(check_cron)]
