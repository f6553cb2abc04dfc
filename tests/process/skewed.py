"""`rotator` on a machine whose clock is wrong: `python tests/process/skewed.py SECONDS run --config ...`.

The one patch of these tests: every reader of the time of day gets one with an offset. Monotonic clocks are right,
as they are on such a machine.
"""

from __future__ import annotations

import importlib
import sys
from datetime import datetime, timedelta, tzinfo

MODULES = (
    "rotator.retry",
    "rotator.azure.clock_offset",
    "rotator.app.clock",
    "rotator.kube.lease",
    "rotator.kube.client.clock_offset",
    "rotator.kube.event_sink",
    "apscheduler.executors.base",
    "apscheduler.schedulers.base",
    "apscheduler.triggers.date",
    "apscheduler.triggers.interval",
)
"""Those that call datetime.now()."""


def shifted(offset: timedelta) -> type[datetime]:
    """A datetime whose now() is so much ahead; every real one is an instance of it, too."""

    class Everyones(type):
        def __instancecheck__(cls, value: object) -> bool:
            return isinstance(value, datetime)

    class Shifted(datetime, metaclass=Everyones):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]  # a real one comes out
            return datetime.now(tz) + offset

    return Shifted


def main() -> None:
    clock = shifted(timedelta(seconds=float(sys.argv.pop(1))))
    for name in MODULES:
        module = importlib.import_module(name)
        assert module.datetime is datetime, f"{name} tells the time in another way"
        module.datetime = clock  # type: ignore[attr-defined]  # the patch
    from rotator.cli.app import main as rotator

    rotator()


if __name__ == "__main__":
    main()
