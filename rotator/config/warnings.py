"""Warns of lines that are valid and have no effect."""

from __future__ import annotations

from datetime import datetime

from rotator.config.schema.document import Settings

_MAX_NAMES = 5
"""Gateways that a warning lists by name."""


def warnings(settings: Settings, now: datetime) -> tuple[str, ...]:
    """Return a sentence for each line that the operator should check. now: UTC."""
    over: dict[datetime, list[str]] = {}
    for gateway in settings.gateways:
        freeze = gateway.calendar.freeze
        if isinstance(freeze, datetime) and freeze <= now:
            over.setdefault(freeze, []).append(gateway.name)
    return tuple(
        f"freeze = {end.isoformat()} is over and has no effect: {_told(names)}. "
        "Take the line out, or write a later time"
        for end, names in over.items()
    )


def _told(names: list[str]) -> str:
    more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
    return f"gateway{'s' * (len(names) > 1)} {', '.join(names[:_MAX_NAMES])}{more}"
