"""The public end of Event Grid's push delivery: `POST /events`, `OPTIONS /events`, and nothing else.

Event Grid never retries 400, 401, 403 and 413: they are for what will be wrong at every retry.
A fault that may pass is answered 503; Event Grid then retries for 24 hours.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from math import ceil

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rotator.config.schema.webhook import WebhookSettings
from rotator.diagnostics import exception_details
from rotator.errors import RotatorError, Unavailable
from rotator.eventgrid.delivery import Events, Handshake, Notice, Rejected, parse_delivery
from rotator.eventgrid.events import EventKey, Ignored, TokenEvent

log = logging.getLogger(__name__)

HandleEvents = Callable[[Sequence[TokenEvent]], Awaitable[Sequence[str]]]
"""Makes events durable (a delivery is answered 2xx only afterwards) and returns for each, in order, one of
accepted, duplicate, stale, foreign. Raises Unavailable or Refused if it could not. Safe to repeat.
"""

CountEvent = Callable[[str, str], None]
"""Counts one event by (type, outcome). Both come from small closed sets, whatever is delivered."""

PATH = "/events"
OTHER = "Other"
AUTHENTICATED_MARK = "rotator.authenticated"
"""Key in the ASGI scope of a request that was authenticated, or may come without a credential."""
ANSWER_WITHIN = 25.0
"""Seconds from the arrival of a delivery to its answer: Event Grid gives up after 30 s, and retries.
Nothing inside has a deadline of its own: `rotator.web.deadline` ends it all.
"""
RETRY_AFTER = 30
"""Seconds after which Event Grid is asked to retry, where the fault itself names none."""


def webhook_app(settings: WebhookSettings, handle: HandleEvents, count_event: CountEvent) -> Starlette:
    """Return the application that takes deliveries, and answers 404 or 405 to all else.

    Where settings say who may deliver, a request that no `Authenticator` passed on is answered 503.
    """
    webhook = _Webhook(settings, handle, count_event)
    app = Starlette(routes=[Route(PATH, webhook.answer, methods=["POST", "OPTIONS"])])
    app.router.redirect_slashes = False
    return app


@dataclass(frozen=True, slots=True)
class _Webhook:
    settings: WebhookSettings
    handle: HandleEvents
    count_event: CountEvent

    async def answer(self, request: Request) -> Response:
        if request.method == "OPTIONS":
            return self._permission(request)
        try:
            return await self._delivery(request)
        except Rejected as e:
            self.count_event(OTHER, "invalid")
            log.warning("delivery refused with %d: %s", e.status, e.sentence)
            return JSONResponse({"error": e.sentence}, e.status)
        except Unavailable as e:
            log.warning("delivery put off: %s", e)
            return _later(ceil(e.retry_after.total_seconds()) if e.retry_after else RETRY_AFTER)
        except RotatorError as e:
            # The operator may correct it within the 24 hours in which Event Grid retries.
            log.error("delivery put off: %s", e)  # noqa: TRY400 - our errors say what to do, not where
            return _later(RETRY_AFTER)
        except Exception as e:  # noqa: BLE001 - 503 is retried; nothing else may come out of here
            log.error("delivery put off: %s", type(e).__name__, extra=exception_details(e))  # noqa: TRY400 - see diagnostics
            return _later(RETRY_AFTER)

    def _permission(self, request: Request) -> Response:
        """Answer the handshake of the CloudEvents schema (CloudEvents HTTP web hooks, section 4)."""
        origin = request.headers.get("webhook-request-origin", "")
        allowed = {o.lower() for o in self.settings.allowed_origins}
        if not origin or (origin.lower() not in allowed and "*" not in allowed):
            return JSONResponse({"error": "this origin may not send events here"}, 403)
        permission = {
            "webhook-allowed-origin": origin,
            "webhook-allowed-rate": str(self.settings.allowed_rate),
            "allow": "POST",
        }
        return Response(status_code=200, headers=permission)

    async def _delivery(self, request: Request) -> Response:
        if self.settings.authenticated and not request.scope.get(AUTHENTICATED_MARK):
            raise Unavailable("internal error: the delivery was not authenticated")
        delivery = parse_delivery(request.headers, await request.body())
        match delivery:
            case Handshake(code):
                log.info("a subscription to our events was validated")
                return JSONResponse({"validationResponse": code})
            case Notice(kind, subscription):
                log.warning("event subscription: %s", kind, extra={"subscription": subscription})
                return JSONResponse({"noted": kind})
            case Events(events):
                if not self._is_allowed(request.headers.get("aeg-subscription-name", "")):
                    return self._dropped(len(events))
                await self._accept(events)
                # How many, not what became of them: the sender is not told which gateways there are.
                return JSONResponse({"received": len(events)})

    def _is_allowed(self, subscription: str) -> bool:
        """Whether events of this subscription count. Event Grid writes its name in capitals."""
        allowed = {name.lower() for name in self.settings.allowed_subscriptions}
        return not allowed or subscription.lower() in allowed

    def _dropped(self, count: int) -> Response:
        """Answer what a foreign subscription sent, as events about foreign topics are answered.

        Not with 403: Event Grid would drop the events just the same, and dead-letter each of them. The
        sender learns nothing about the list.
        """
        for _ in range(count):
            self.count_event(OTHER, "foreign-subscription")
        log.warning("%d events were dropped: their subscription is not among allowed_subscriptions", count)
        return JSONResponse({"received": count})

    async def _accept(self, events: Sequence[TokenEvent | Ignored]) -> None:
        duplicates: dict[EventKey, list[TokenEvent]] = {}
        for event in events:
            if isinstance(event, TokenEvent):
                duplicates.setdefault(event.key, []).append(event)
        unique = [group[0] for group in duplicates.values()]
        outcomes = await self._handled(unique) if unique else ()
        for group, outcome in list(zip(duplicates.values(), outcomes, strict=True)):
            for n, event in enumerate(group):
                # Each pod reports by itself: only the first event about a token says something new.
                self.count_event(event.kind.value, "duplicate" if n else outcome)
        for event in events:
            if isinstance(event, Ignored):
                self.count_event(OTHER, "invalid" if event.invalid else "ignored")
        reasons = Counter(e.reason for e in events if isinstance(e, Ignored) and e.invalid)
        for reason, count in reasons.items():
            log.warning("%d events were left out: %s", count, reason)

    async def _handled(self, events: Sequence[TokenEvent]) -> Sequence[str]:
        try:
            return await self.handle(events)
        except BaseException:
            for event in events:
                self.count_event(event.kind.value, "postponed")
            raise


def _later(seconds: int) -> Response:
    return JSONResponse({"error": "not now"}, 503, {"retry-after": str(max(1, seconds))})
