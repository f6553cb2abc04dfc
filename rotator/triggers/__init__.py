"""What makes a rotation happen now: events that are pushed to us, and the time of day."""

from __future__ import annotations

from rotator.triggers.admission import Admission, open_admission
from rotator.triggers.events import Ignored, Kind, TokenEvent, gateway_resource
from rotator.triggers.schedule import Schedule, stable_jitter
from rotator.triggers.wakeups import Wakeups
from rotator.triggers.webhook import webhook_app, webhook_routes

__all__ = [
    "Admission",
    "Ignored",
    "Kind",
    "Schedule",
    "TokenEvent",
    "Wakeups",
    "gateway_resource",
    "open_admission",
    "stable_jitter",
    "webhook_app",
    "webhook_routes",
]
