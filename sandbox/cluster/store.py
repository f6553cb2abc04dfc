"""The store, in place of etcd: objects by key, one global version, a log of changes for watches.

Stored objects are never changed in place: each write stores a new object, so readers may keep theirs.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from sandbox.cluster.objects import Key, name_of, namespace_of
from sandbox.cluster.resources import Resource
from sandbox.cluster.statuses import expired
from sandbox.common import Clock, Json, utc_now

LOG_LENGTH = 10_000
"""Changes of each kind that are kept for watches from an older version."""


@dataclass(frozen=True, slots=True)
class Change:
    """One write. For DELETED, `obj` is the last state with the version of the deletion."""

    version: int
    type: Literal["ADDED", "MODIFIED", "DELETED"]
    key: Key
    obj: Json
    previous: Json | None


Feed = asyncio.Queue[Change | None]
"""Changes of one kind; None means that the watch is cut."""


class Store:
    """All state of the cluster. Every method is synchronous, so it is atomic in the event loop."""

    def __init__(self, clock: Clock = utc_now) -> None:
        self.clock = clock
        self.version = 1
        self._objects: defaultdict[str, dict[Key, Json]] = defaultdict(dict)
        self._owned: defaultdict[str, set[Key]] = defaultdict(set)
        self._logs: defaultdict[str, deque[Change]] = defaultdict(deque)
        self._oldest: defaultdict[str, int] = defaultdict(int)
        self._compacted = 0
        self._feeds: defaultdict[str, set[Feed]] = defaultdict(set)
        self._listeners: list[Callable[[Change], None]] = []

    def get(self, key: Key) -> Json | None:
        return self._objects[key[0]].get(key)

    def all(self, plural: str, namespace: str | None = None) -> list[Json]:
        """Return objects in the order of namespace and name, as a real list; `namespace` "" or None: all."""
        keys = sorted(self._objects[plural])
        return [self._objects[plural][key] for key in keys if not namespace or key[1] == namespace]

    def owned_by(self, uid: str, plural: str | None = None) -> list[Json]:
        """Return the objects with an owner reference to `uid`, in the order of their names."""
        keys = sorted(key for key in self._owned[uid] if plural in {None, key[0]})
        return [self._objects[key[0]][key] for key in keys]

    def in_namespace(self, namespace: str) -> list[Json]:
        return [obj for plural in list(self._objects) for obj in self.all(plural, namespace)]

    def put(self, resource: Resource, obj: Json) -> Json:
        """Store `obj` under the next version, notify watches and listeners, and return the stored object."""
        key = (resource.plural, namespace_of(obj), name_of(obj))
        previous = self.get(key)
        stored = self._stamped(obj)
        self._own(key, previous, stored)
        self._objects[resource.plural][key] = stored
        self._publish(Change(self.version, "MODIFIED" if previous else "ADDED", key, stored, previous))
        return stored

    def remove(self, key: Key) -> Json | None:
        previous = self._objects[key[0]].pop(key, None)
        if previous is None:
            return None
        self._own(key, previous, None)
        last = self._stamped(previous)
        self._publish(Change(self.version, "DELETED", key, last, previous))
        return last

    def listen(self, listener: Callable[[Change], None]) -> None:
        """Call `listener` after each change. The listener must not write to the store."""
        self._listeners.append(listener)

    def subscribe(self, plural: str, since: int | None) -> Feed:
        """Return a feed of the changes after version `since` (None: from now on). End it with `unsubscribe`.

        Raises:
            ApiError: 410 if the log does not go back that far.
        """
        feed: Feed = asyncio.Queue()
        if since is not None:
            if since < max(self._oldest[plural], self._compacted):
                raise expired(since, self.version)
            for change in self._logs[plural]:
                if change.version > since:
                    feed.put_nowait(change)
        self._feeds[plural].add(feed)
        return feed

    def unsubscribe(self, plural: str, feed: Feed) -> None:
        self._feeds[plural].discard(feed)

    def feeds(self) -> int:
        """Return the number of open watches."""
        return sum(len(feeds) for feeds in self._feeds.values())

    def cut_feeds(self) -> None:
        for feed in self._all_feeds():
            feed.put_nowait(None)

    def compact(self) -> None:
        """Drop the log: watches from any version returned so far are answered with 410."""
        self.version += 1
        self._compacted = self.version
        self._logs.clear()

    def _all_feeds(self) -> Iterable[Feed]:
        return [feed for feeds in self._feeds.values() for feed in feeds]

    def _stamped(self, obj: Json) -> Json:
        self.version += 1
        return obj | {"metadata": obj["metadata"] | {"resourceVersion": str(self.version)}}

    def _own(self, key: Key, previous: Json | None, current: Json | None) -> None:
        for reference in ((previous or {}).get("metadata") or {}).get("ownerReferences") or []:
            self._owned[reference["uid"]].discard(key)
            if not self._owned[reference["uid"]]:
                del self._owned[reference["uid"]]
        for reference in ((current or {}).get("metadata") or {}).get("ownerReferences") or []:
            self._owned[reference["uid"]].add(key)

    def _publish(self, change: Change) -> None:
        plural = change.key[0]
        log = self._logs[plural]
        log.append(change)
        if len(log) > LOG_LENGTH:
            self._oldest[plural] = log.popleft().version
        for feed in self._feeds[plural]:
            feed.put_nowait(change)
        for listener in self._listeners:
            listener(change)
