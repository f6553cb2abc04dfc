"""An Event Grid namespace, from whose topics events are pulled (data plane, api-version 2024-06-01)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from sandbox.azure.delivery import ORIGIN
from sandbox.azure.events import Json, event_id, in_schema, is_cloud_event
from sandbox.azure.identity import Identity
from sandbox.azure.pull_queue import BAD, LOST, Locked, PullQueue

API_VERSION = "2024-06-01"
RELEASE_DELAYS = (0, 10, 60, 600, 3600)
MOST_EVENTS = 100
SHORTEST_WAIT, USUAL_WAIT, LONGEST_WAIT = 10, 60, 120
_TOPIC = re.compile(r"/topics/(?P<topic>[^/:]+):publish")
_SUBSCRIPTION = re.compile(
    r"/topics/(?P<topic>[^/:]+)/eventsubscriptions/(?P<name>[^/:]+):(?P<action>\w+)", re.IGNORECASE
)
_ROUTE = re.compile(r"/routes/(?P<topic>[^/]+)")


class NamespaceError(Exception):
    """An answer that is not the wanted one."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.response = JSONResponse({"error": {"code": code, "message": message}}, status)


class Namespace:
    """Wants a bearer token that `identity` handed out. `time_scale` shortens what clients ask for in seconds.

    `inlet` is where the sandbox's system topic delivers what it routes here: a webhook of POST and OPTIONS
    /routes/{topic}, on a listener of its own.
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
        """Create a topic, if there is none, and a subscription of it. `lock_seconds` are real ones."""
        queue = PullQueue(lock_seconds=lock_seconds, max_deliveries=max_deliveries)
        self._queues[topic.lower(), name.lower()] = queue
        return queue

    def publish(self, topic: str, events: Sequence[Json]) -> list[str]:
        """Put events on all subscriptions of a topic, in CloudEvents; returns their ids."""
        cloud = [in_schema(event, "cloudevents") for event in events]
        for (of, _), queue in self._queues.items():
            if of == topic.lower():
                queue.put(cloud)
        self._tell()
        return [event_id(event) for event in cloud]

    async def wait_for(self, so: Callable[[], bool], within: float = 10.0) -> None:
        """Return as soon as `so`, which is about this namespace's queues. Raises TimeoutError."""
        async with asyncio.timeout(within):
            while not so():
                nexts = [queue.next_change() or within for queue in self._queues.values()]
                await self._change(min(nexts, default=within))

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
            raise NamespaceError(400, "BadRequest", f"The api-version has to be {API_VERSION}.")
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
        if not any(of == topic.lower() for of, _ in self._queues):
            raise NamespaceError(404, "NotFound", "The topic does not exist.")
        body = await _json(request)
        items = body if isinstance(body, list) else [body]
        events = [item for item in items if isinstance(item, dict) and is_cloud_event(item)]
        if len(events) < len(items):
            raise NamespaceError(400, "BadRequest", "Namespace topics take CloudEvents only.")
        self.publish(topic, events)
        return JSONResponse({})

    async def _receive(self, queue: PullQueue, request: Request) -> Response:
        most = _number(request, "maxEvents", 1, 1, MOST_EVENTS)
        wait = _number(request, "maxWaitTime", USUAL_WAIT, SHORTEST_WAIT, LONGEST_WAIT) * self.time_scale
        taken = await self._taken(queue, most, wait, asyncio.create_task(_gone(request)))
        value = [
            {
                "brokerProperties": {"lockToken": locked.token, "deliveryCount": locked.deliveries},
                "event": locked.event,
            }
            for locked in taken
        ]
        self._tell()
        return JSONResponse({"value": value})

    async def _settle(self, queue: PullQueue, action: str, request: Request) -> Response:
        body = await _json(request)
        tokens = body.get("lockTokens") if isinstance(body, dict) else None
        if not isinstance(tokens, list) or not tokens or not all(isinstance(token, str) for token in tokens):
            raise NamespaceError(400, "BadRequest", "The body has to be an object with lockTokens.")
        problems = {token: self._actions[action](queue, token, request) for token in tokens}
        self._tell()
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
            raise NamespaceError(400, "BadRequest", f"releaseDelayInSeconds is one of {RELEASE_DELAYS}.")
        return delay * self.time_scale

    async def _taken(
        self, queue: PullQueue, most: int, wait: float, gone: asyncio.Task[None]
    ) -> list[Locked]:
        """Locks nothing for a client that has left."""
        clock = asyncio.get_running_loop().time
        end, taken = clock() + wait, queue.take(most)
        try:
            while not taken and not gone.done() and (left := end - clock()) > 0:
                await self._change(min(left, queue.next_change() or left), gone)
                taken = [] if gone.done() else queue.take(most)
        finally:
            gone.cancel()
        return taken

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _change(self, within: float, *also: asyncio.Task[None]) -> None:
        """Return when something changed, when one of the tasks has ended, or after so many seconds."""
        changed = asyncio.create_task(self._changed.wait())
        try:
            await asyncio.wait({changed, *also}, timeout=within, return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()


_MESSAGES = {LOST: "The lock has expired or the event has been settled.", BAD: "The lock token is not known."}


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _json(request: Request) -> object:
    try:
        return await request.json()
    except ValueError:
        return None


def _number(request: Request, name: str, usual: int, least: int, most: int) -> int:
    written = request.query_params.get(name, str(usual))
    if not written.isdecimal() or not least <= int(written) <= most:
        raise NamespaceError(400, "BadRequest", f"{name} has to be a number from {least} to {most}.")
    return int(written)
