"""Watches: a stream of JSON lines until the client leaves, the time is over, or the cluster stops."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from sandbox.cluster import selectors
from sandbox.cluster.content_negotiation import ResponseFormat, dumps
from sandbox.cluster.resources import Resource
from sandbox.cluster.selectors import Test
from sandbox.cluster.statuses import ApiError, bad_request, no_number
from sandbox.cluster.store import Change, Feed, Store
from sandbox.common import Json, while_connected

DEFAULT_TIMEOUT = 2700.0
"""Seconds of a watch whose client names no timeout; a real API server takes 30 to 60 minutes."""
BOOKMARK_INTERVAL = 60.0
"""Seconds between two bookmarks."""
_LAST_BOOKMARK = 2.0
"""Seconds before the end at which the last bookmark is sent; in short watches at 9/10 of the time."""


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """The query of a watch. `since` None: start with everything that exists."""

    namespace: str
    selected: Test
    since: int | None
    seconds: float
    bookmarks: bool
    initial_events: bool

    @classmethod
    def read(cls, request: Request, namespace: str, name: str | None) -> WatchOptions:
        """Parse the query. Raises ApiError 400 for parameters that cannot be read."""
        query = request.query_params
        fields = ",".join(
            filter(None, [query.get("fieldSelector"), f"metadata.name={name}" if name else None])
        )
        since = query.get("resourceVersion") or "0"
        if not since.isdigit():
            raise no_number(since, f'resourceVersion: Invalid value: "{since}": ')
        if not query.get("timeoutSeconds", "0").isdigit():
            raise bad_request("timeoutSeconds must be a number")
        initial = query.get("sendInitialEvents") == "true"
        return cls(
            namespace,
            selectors.parse(query.get("labelSelector"), fields),
            None if initial or since == "0" else int(since),
            float(query.get("timeoutSeconds", "0")) or DEFAULT_TIMEOUT,
            query.get("allowWatchBookmarks") in {"true", "1"},
            initial,
        )

    def event(self, change: Change) -> tuple[str, Json] | None:
        """Return what this client sees of a change: an object may enter or leave its selection."""
        if self.namespace and change.key[1] != self.namespace:
            return None
        now = self.selected(change.obj)
        before = change.previous is not None and self.selected(change.previous)
        if change.type == "DELETED":
            return ("DELETED", change.obj) if before else None
        if now:
            return ("MODIFIED" if before else "ADDED", change.obj)
        if before and change.previous:
            version = change.obj["metadata"]["resourceVersion"]
            return "DELETED", change.previous | {
                "metadata": change.previous["metadata"] | {"resourceVersion": version}
            }
        return None


class WatchResponse:
    """An ASGI response that ends cleanly when its time is over. A cut feed breaks the connection."""

    def __init__(
        self, store: Store, resource: Resource, options: WatchOptions, response_format: ResponseFormat
    ) -> None:
        self._store, self._resource, self._options, self._format = store, resource, options, response_format

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-cache, private")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if await while_connected(self._stream(send), receive):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _stream(self, send: Send) -> bool:
        """Return True if the stream came to its end, False if it was cut."""
        clean = True
        async for event in self._events():
            if event is None:
                clean = False
            else:
                await send({"type": "http.response.body", "body": dumps(event) + b"\n", "more_body": True})
        return clean

    async def _events(self) -> AsyncIterator[Json | None]:
        plural = self._resource.plural
        try:
            initial = self._store.all(plural, self._options.namespace) if self._options.since is None else []
            feed = self._store.subscribe(plural, self._options.since)
        except ApiError as error:
            yield {"type": "ERROR", "object": error.body}
            return
        try:
            for obj in filter(self._options.selected, initial):
                yield self._line("ADDED", obj)
            if self._options.initial_events:
                yield self._bookmark({"k8s.io/initial-events-end": "true"})
            async for event in self._follow(feed):
                yield event
        finally:
            self._store.unsubscribe(plural, feed)

    async def _follow(self, feed: Feed) -> AsyncIterator[Json | None]:
        start = time.monotonic()
        end = start + self._options.seconds
        last = max(end - _LAST_BOOKMARK, start + 0.9 * self._options.seconds)
        bookmark = min(start + BOOKMARK_INTERVAL, last)
        while (now := time.monotonic()) < end:
            try:
                async with asyncio.timeout(max(0.0, min(bookmark, end) - now)):
                    change = await feed.get()
            except TimeoutError:
                if self._options.bookmarks and time.monotonic() < end:
                    yield self._bookmark()
                bookmark = min(bookmark + BOOKMARK_INTERVAL, last) if bookmark < last else end
                continue
            if change is None:
                yield None
                return
            if event := self._options.event(change):
                yield self._line(*event)

    def _line(self, kind: str, obj: Json) -> Json:
        return {"type": kind, "object": self._format.one(obj, self._store.clock())}

    def _bookmark(self, annotations: dict[str, str] | None = None) -> Json:
        meta: Json = {"resourceVersion": str(self._store.version), "creationTimestamp": None}
        if annotations:
            meta["annotations"] = annotations
        head = {"kind": self._resource.kind, "apiVersion": self._resource.api_version}
        return {"type": "BOOKMARK", "object": head | {"metadata": meta}}
