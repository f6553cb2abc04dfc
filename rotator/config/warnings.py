"""What may stand in the file, and yet nobody means it: told, not refused."""

from __future__ import annotations

from datetime import datetime

from rotator.config.schema.document import Settings

_FEW = 5


def warnings(settings: Settings, now: datetime) -> tuple[str, ...]:
    """Return a sentence for each thing that somebody should look at. now: UTC."""
    over: dict[datetime, list[str]] = {}
    for gateway in settings.gateways:
        freeze = gateway.calendar.freeze
        if isinstance(freeze, datetime) and freeze <= now:
            over.setdefault(freeze, []).append(gateway.name)
    return tuple(
        f"freeze = {end.isoformat()} is over, and holds nothing back any more: {_told(names)}. "
        "Take the line out, or write a later time"
        for end, names in over.items()
    )


def _told(names: list[str]) -> str:
    more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
    return f"gateway{'s' * (len(names) > 1)} {', '.join(names[:_FEW])}{more}"
