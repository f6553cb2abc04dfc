"""An Event Grid namespace: clients pull events from its topics (data plane, api-version 2024-06-01)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from sandbox.azure.delivery import ORIGIN
from sandbox.azure.events import event_id, in_schema, is_cloud_event
from sandbox.azure.identity import Identity
from sandbox.azure.pull_queue import BAD, LOST, Locked, PullQueue
from sandbox.common import Json, disconnected

API_VERSION = "2024-06-01"
RELEASE_DELAYS = (0, 10, 60, 600, 3600)
"""Seconds after which a released event may be delivered again."""
MAX_EVENTS = 100
"""Events in one answer."""
MIN_WAIT, DEFAULT_WAIT, MAX_WAIT = 10, 60, 120
"""Seconds for which `receive` waits for events."""
_TOPIC = re.compile(r"/topics/(?P<topic>[^/:]+):publish")
_SUBSCRIPTION = re.compile(
    r"/topics/(?P<topic>[^/:]+)/eventsubscriptions/(?P<name>[^/:]+):(?P<action>\w+)", re.IGNORECASE
)
_ROUTE = re.compile(r"/routes/(?P<topic>[^/]+)")


class NamespaceError(Exception):
    """An error answer of the namespace."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.response = JSONResponse({"error": {"code": code, "message": message}}, status)


class Namespace:
    """Serves clients that have a bearer token of `identity`. `time_scale` multiplies the seconds in requests.

    `inlet` is the webhook (POST and OPTIONS /routes/{topic}) to which the sandbox's system topic delivers the
    events that it routes to this namespace; it has a listener of its own.
    """

    def __init__(self, identity: Identity, time_scale: float = 1.0) -> None:
        self.time_scale = time_scale
        self._identity = identity
        self._queues: dict[tuple[str, str], PullQueue] = {}
        self._changed = asyncio.Event()
        self._actions: dict[str, Callable[[PullQueue, str, Request], str]] = {
            "acknowledge": lambda queue, token, _: queue.acknowledge(token),
            "reject": lambda queue, token, _: queue.reject(token),
            "renewlock": lambda queue, token, _: queue.renew(token),
            "release": lambda queue, token, request: queue.release(token, self._delay(request)),
        }

    def subscribe(
        self, topic: str, name: str, *, lock_seconds: float = 60.0, max_deliveries: int = 10
    ) -> PullQueue:
        """Create a topic, unless it exists, and a subscription. `time_scale` leaves `lock_seconds` alone."""
        queue = PullQueue(lock_seconds=lock_seconds, max_deliveries=max_deliveries)
        self._queues[topic.lower(), name.lower()] = queue
        return queue

    def publish(self, topic: str, events: Sequence[Json]) -> list[str]:
        """Put events on all subscriptions of a topic, as CloudEvents, and return their ids."""
        cloud = [in_schema(event, "cloudevents") for event in events]
        for (name, _), queue in self._queues.items():
            if name == topic.lower():
                queue.put(cloud)
        self._notify()
        return [event_id(event) for event in cloud]

    async def wait_for(self, predicate: Callable[[], bool], within: float = 60.0) -> None:
        """Wait until `predicate`, which is about this namespace's queues, is true. Raises TimeoutError."""
        async with asyncio.timeout(within):
            while not predicate():
                delays = [queue.next_change() or within for queue in self._queues.values()]
                await self._change(min(delays, default=within))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._respond(Request(scope, receive))
        except NamespaceError as error:
            response = error.response
        await response(scope, receive, send)

    async def inlet(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        route = _ROUTE.fullmatch(request.url.path)
        response = Response(status_code=404)
        if route and request.method == "OPTIONS":
            response = Response(headers={"WebHook-Allowed-Origin": ORIGIN, "WebHook-Allowed-Rate": "*"})
        elif route and request.method == "POST":
            body = await request.json()
            self.publish(route["topic"], body if isinstance(body, list) else [body])
            response = Response(status_code=200)
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not self._identity.accepts(token):
            raise NamespaceError(401, "Unauthorized", "The request does not carry a valid bearer token.")
        if request.query_params.get("api-version") != API_VERSION:
            raise NamespaceError(400, "BadRequest", f"The api-version must be {API_VERSION}.")
        if request.method != "POST":
            raise NamespaceError(405, "MethodNotAllowed", f"{request.method} is not allowed here.")
        if topic := _TOPIC.fullmatch(request.url.path):
            return await self._publish(topic["topic"], request)
        path = _SUBSCRIPTION.fullmatch(request.url.path)
        queue = self._queues.get((path["topic"].lower(), path["name"].lower())) if path else None
        if path is None or queue is None:
            raise NamespaceError(404, "NotFound", "The topic or the event subscription does not exist.")
        action = path["action"].lower()
        if action == "receive":
            return await self._receive(queue, request)
        if action not in self._actions:
            raise NamespaceError(404, "NotFound", f"There is no operation {path['action']}.")
        return await self._settle(queue, action, request)

    async def _publish(self, topic: str, request: Request) -> Response:
        if not any(name == topic.lower() for name, _ in self._queues):
            raise NamespaceError(404, "NotFound", "The topic does not exist.")
        body = await _json(request)
        items = body if isinstance(body, list) else [body]
        events = [item for item in items if isinstance(item, dict) and is_cloud_event(item)]
        if len(events) < len(items):
            raise NamespaceError(400, "BadRequest", "Namespace topics take CloudEvents only.")
        self.publish(topic, events)
        return JSONResponse({})

    async def _receive(self, queue: PullQueue, request: Request) -> Response:
        limit = _number(request, "maxEvents", 1, 1, MAX_EVENTS)
        wait = _number(request, "maxWaitTime", DEFAULT_WAIT, MIN_WAIT, MAX_WAIT) * self.time_scale
        taken = await self._take(queue, limit, wait, asyncio.create_task(disconnected(request.receive)))
        value = [
            {
                "brokerProperties": {"lockToken": locked.token, "deliveryCount": locked.deliveries},
                "event": locked.event,
            }
            for locked in taken
        ]
        self._notify()
        return JSONResponse({"value": value})

    async def _settle(self, queue: PullQueue, action: str, request: Request) -> Response:
        body = await _json(request)
        tokens = body.get("lockTokens") if isinstance(body, dict) else None
        if not isinstance(tokens, list) or not tokens or not all(isinstance(token, str) for token in tokens):
            raise NamespaceError(400, "BadRequest", "The body must be an object with lockTokens.")
        problems = {token: self._actions[action](queue, token, request) for token in tokens}
        self._notify()
        failed = [
            {"lockToken": token, "error": {"code": code, "message": _MESSAGES[code]}}
            for token, code in problems.items()
            if code
        ]
        succeeded = [token for token, code in problems.items() if not code]
        return JSONResponse({"failedLockTokens": failed, "succeededLockTokens": succeeded})

    def _delay(self, request: Request) -> float:
        delay = _number(request, "releaseDelayInSeconds", 0, 0, RELEASE_DELAYS[-1])
        if delay not in RELEASE_DELAYS:
            raise NamespaceError(400, "BadRequest", f"releaseDelayInSeconds must be one of {RELEASE_DELAYS}.")
        return delay * self.time_scale

    async def _take(
        self, queue: PullQueue, limit: int, wait: float, gone: asyncio.Task[None]
    ) -> list[Locked]:
        """Lock events as soon as there are any, but none for a client that has left."""
        clock = asyncio.get_running_loop().time
        end, taken = clock() + wait, queue.take(limit)
        try:
            while not taken and not gone.done() and (left := end - clock()) > 0:
                await self._change(min(left, queue.next_change() or left), gone)
                taken = [] if gone.done() else queue.take(limit)
        finally:
            gone.cancel()
        return taken

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _change(self, within: float, *also: asyncio.Task[None]) -> None:
        """Wait for a change of a queue, for the end of one of the tasks, or for so many seconds."""
        changed = asyncio.create_task(self._changed.wait())
        try:
            await asyncio.wait({changed, *also}, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()


_MESSAGES = {LOST: "The lock has expired or the event has been settled.", BAD: "The lock token is not known."}


async def _json(request: Request) -> object:
    try:
        return await request.json()
    except ValueError:
        return None


def _number(request: Request, name: str, default: int, minimum: int, maximum: int) -> int:
    written = request.query_params.get(name, str(default))
    if not written.isdecimal() or not minimum <= int(written) <= maximum:
        raise NamespaceError(400, "BadRequest", f"{name} must be a number from {minimum} to {maximum}.")
    return int(written)
