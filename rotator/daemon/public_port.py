"""What answers at the public port, from the outside in: the deadline, the present generation's application,
authentication, the limit of bodies, the webhook.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from starlette.responses import JSONResponse
from starlette.types import ASGIApp

from rotator.config.schema.webhook import WebhookSettings
from rotator.eventgrid.auth.authentication import Authenticator
from rotator.eventgrid.auth.guard import Guard
from rotator.eventgrid.auth.rate_limit import RateLimit
from rotator.eventgrid.auth.responses import refusal
from rotator.eventgrid.webhook import ANSWER_WITHIN, RETRY_AFTER, CountEvent, HandleEvents, webhook_app
from rotator.web.deadline import Deadline
from rotator.web.limits import MAX_HANDSHAKE_BYTES, BodyBudget, BodyLimit


def public_app(app: ASGIApp) -> ASGIApp:
    """Return app behind the one deadline of a delivery. It stays while generations come and go."""
    return Deadline(app, ANSWER_WITHIN, RETRY_AFTER)


def delivery_app(
    settings: WebhookSettings,
    authenticator: Authenticator | None,
    handle: HandleEvents,
    count: CountEvent,
    clock: Callable[[], float] = time.monotonic,
) -> ASGIApp:
    """Return what one generation does about deliveries. clock: monotonic, seconds."""
    if authenticator is None:
        # No port leads here, but requests may have waited for this generation in the previous one.
        return JSONResponse({"error": "not now"}, 503, {"retry-after": str(RETRY_AFTER)})
    webhook = webhook_app(settings, handle, count)
    seconds, budget = settings.body_timeout.total_seconds(), BodyBudget()
    deliveries = BodyLimit(webhook, settings.max_body_bytes, seconds, budget)
    handshakes = BodyLimit(webhook, MAX_HANDSHAKE_BYTES, seconds, budget, too_large=refusal(401))
    return Guard(authenticator, RateLimit(settings.max_rate, clock), count, deliveries, handshakes)
