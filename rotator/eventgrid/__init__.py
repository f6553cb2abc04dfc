"""Hears Event Grid: deliveries to the webhook, and events fetched from a namespace."""

from __future__ import annotations

from rotator.eventgrid.auth.authentication import Admission, open_admission
from rotator.eventgrid.events import Ignored, Kind, TokenEvent
from rotator.eventgrid.webhook import webhook_app, webhook_routes

__all__ = [
    "Admission",
    "Ignored",
    "Kind",
    "TokenEvent",
    "open_admission",
    "webhook_app",
    "webhook_routes",
]
