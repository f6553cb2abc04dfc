"""Lines of the table `[defaults]`, by what they are for. Join them with +."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

FAST_CHECKS = 'recheck = "1s"\nlook_every = "1s"\n'
"""Looks again at once, where a real one takes minutes."""
FREEZE = "freeze = true\n"
ALWAYS_OPEN = 'windows = [{ cron = "0 0 * * *", duration = "24h", zone = "UTC" }]\n'


def revoking(mode: str, after: str | None = None) -> str:
    """`mode`: never, before-reuse, after-verify; `after`: how long after the proof ("1s")."""
    return f'revoke = "{mode}"\n' + (f'revoke_after = "{after}"\n' if after else "")


def timing_out(after: str = "2s", *, roll_back: bool = True) -> str:
    """Rollouts are overdue after this time, and rolled back or not."""
    return f'rollout_timeout = "{after}"\nroll_back = {str(roll_back).lower()}\n'


def window(opens_in: timedelta, lasts: timedelta) -> str:
    """A daily window that opens so much from now (before now: it is open already); whole minutes."""
    at = datetime.now(UTC) + opens_in
    minutes = int(lasts.total_seconds() // 60)
    return f'windows = [{{ cron = "{at.minute} {at.hour} * * *", duration = "{minutes}m", zone = "UTC" }}]\n'


def closed_window() -> str:
    """A window that is far from opening, whenever the test runs."""
    return window(timedelta(hours=12), timedelta(minutes=30))
