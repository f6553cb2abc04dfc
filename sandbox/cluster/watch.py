"""Watches: a stream of JSON lines that ends with the client, the server's time-out, or the cluster."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from sandbox.cluster import selectors
from sandbox.cluster.content_negotiation import Form, dumps
from sandbox.cluster.resources import Json, Resource
from sandbox.cluster.selectors import Test
from sandbox.cluster.statuses import ApiError, bad_request, no_number
from sandbox.cluster.store import Change, Feed, Store

LONGEST = 2700.0
"""Seconds that a watch lasts if the client names no time; a real server takes 30 to 60 minutes."""
BOOKMARK_EVERY = 60.0
_LAST_BOOKMARK = 2.0
"""A bookmark is due so many seconds before the end, as with a real server; within short watches at 9/10."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client asked for. `since` None: everything that exists, first."""

    namespace: str
    selected: Test
    since: int | None
    seconds: float
    bookmarks: bool
    initial_events: bool

    @classmethod
    def read(cls, request: Request, namespace: str, name: str | None) -> Wish:
        """Raises ApiError 400 for parameters that cannot be read."""
        query = request.query_params
        fields = ",".join(
            filter(None, [query.get("fieldSelector"), f"metadata.name={name}" if name else None])
        )
        since = query.get("resourceVersion") or "0"
        if not since.isdigit():
            raise no_number(since, f'resourceVersion: Invalid value: "{since}": ')
        if not query.get("timeoutSeconds", "0").isdigit():
            raise bad_request("timeoutSeconds is a number")
        initial = query.get("sendInitialEvents") == "true"
        return cls(
            namespace,
            selectors.parse(query.get("labelSelector"), fields),
            None if initial or since == "0" else int(since),
            float(query.get("timeoutSeconds", "0")) or LONGEST,
            query.get("allowWatchBookmarks") in {"true", "1"},
            initial,
        )

    def event(self, change: Change) -> tuple[str, Json] | None:
        """What this client sees of a change: an object may enter or leave its selection."""
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
    """An ASGI response. It ends cleanly at its time; a cut feed breaks the connection off."""

    def __init__(self, store: Store, resource: Resource, wish: Wish, form: Form) -> None:
        self._store, self._resource, self._wish, self._form = store, resource, wish, form

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-cache, private")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        stream = asyncio.create_task(self._stream(send))
        gone = asyncio.create_task(_disconnected(receive))
        try:
            await asyncio.wait({stream, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (stream, gone):
                task.cancel()
            await asyncio.gather(stream, gone, return_exceptions=True)
        if not stream.cancelled() and stream.result():
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _stream(self, send: Send) -> bool:
        """Whether the stream came to its end; False if it was cut."""
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
            initial = self._store.all(plural, self._wish.namespace) if self._wish.since is None else []
            feed = self._store.subscribe(plural, self._wish.since)
        except ApiError as error:
            yield {"type": "ERROR", "object": error.body}
            return
        try:
            for obj in filter(self._wish.selected, initial):
                yield self._line("ADDED", obj)
            if self._wish.initial_events:
                yield self._bookmark({"k8s.io/initial-events-end": "true"})
            async for event in self._follow(feed):
                yield event
        finally:
            self._store.unsubscribe(plural, feed)

    async def _follow(self, feed: Feed) -> AsyncIterator[Json | None]:
        start = time.monotonic()
        end = start + self._wish.seconds
        last = max(end - _LAST_BOOKMARK, start + 0.9 * self._wish.seconds)
        bookmark = min(start + BOOKMARK_EVERY, last)
        while (now := time.monotonic()) < end:
            try:
                async with asyncio.timeout(max(0.0, min(bookmark, end) - now)):
                    change = await feed.get()
            except TimeoutError:
                if self._wish.bookmarks and time.monotonic() < end:
                    yield self._bookmark()
                bookmark = min(bookmark + BOOKMARK_EVERY, last) if bookmark < last else end
                continue
            if change is None:
                yield None
                return
            if event := self._wish.event(change):
                yield self._line(*event)

    def _line(self, kind: str, obj: Json) -> Json:
        return {"type": kind, "object": self._form.one(obj, self._store.clock())}

    def _bookmark(self, annotations: dict[str, str] | None = None) -> Json:
        meta: Json = {"resourceVersion": str(self._store.version), "creationTimestamp": None}
        if annotations:
            meta["annotations"] = annotations
        head = {"kind": self._resource.kind, "apiVersion": self._resource.api_version}
        return {"type": "BOOKMARK", "object": head | {"metadata": meta}}


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
