"""Takes events of Event Grid: deliveries to the webhook, and events pulled from a namespace."""

from __future__ import annotations

from rotator.eventgrid.auth.authentication import Authenticator, open_authenticator
from rotator.eventgrid.events import Ignored, Kind, TokenEvent
from rotator.eventgrid.webhook import webhook_app

__all__ = [
    "Authenticator",
    "Ignored",
    "Kind",
    "TokenEvent",
    "open_authenticator",
    "webhook_app",
]
