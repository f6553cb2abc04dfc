"""Plain HTTP to an API server: what went over the wire is what a test sees."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import aiohttp

from sandbox.cluster.resources import BY_KIND

Json = dict[str, Any]
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
_WATCH_LINE = 2**24


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and JSON body of a response (text under "text" if it was none)."""

    status: int
    body: Json


class ApiError(Exception):
    """An answer that is not 2xx."""

    def __init__(self, what: str, answer: Answer) -> None:
        super().__init__(f"{what}: {answer.status} {answer.body.get('message', '')}")
        self.status = answer.status


def path(kind: str, namespace: str = "", name: str = "", sub: str = "") -> str:
    """Where objects of a kind live; a name makes it one object."""
    resource = BY_KIND[kind]
    root = f"/apis/{resource.api_version}" if resource.group else "/api/v1"
    scope = f"/namespaces/{namespace}" if namespace else ""
    return root + scope + f"/{resource.plural}" + "".join(f"/{part}" for part in (name, sub) if part)


class Api:
    """A client of one user. `call` answers whatever came; the others raise ApiError unless it was 2xx."""

    def __init__(self, server: str, tls: ssl.SSLContext, token: str | None = None) -> None:
        self.server, self._tls = server, tls
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=self._tls, limit=0)
        self._session = aiohttp.ClientSession(
            self.server, connector=connector, headers=self._headers, read_bufsize=_WATCH_LINE
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def call(
        self, method: str, where: str, body: object = None, media: str = "application/json", **query: str
    ) -> Answer:
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": media} if data is not None else {}
        timeout = aiohttp.ClientTimeout(total=30)
        async with self._session.request(
            method, where, data=data, headers=headers, params=query, timeout=timeout
        ) as sent:
            text = await sent.text()
            try:
                parsed = json.loads(text)
            except ValueError:
                parsed = {"text": text}
            return Answer(sent.status, parsed)

    async def ask(
        self, method: str, where: str, body: object = None, media: str = "application/json", **query: str
    ) -> Json:
        answer = await self.call(method, where, body, media, **query)
        if answer.status >= 300:
            raise ApiError(f"{method} {where}", answer)
        return answer.body

    async def get(self, kind: str, namespace: str, name: str) -> Json:
        return await self.ask("GET", path(kind, namespace, name))

    async def list(self, kind: str, namespace: str = "", **query: str) -> list[Json]:
        return list((await self.ask("GET", path(kind, namespace), **query))["items"])

    async def create(self, manifest: Json, namespace: str = "") -> Json:
        resource = BY_KIND[manifest["kind"]]
        body = {"apiVersion": resource.api_version} | manifest
        return await self.ask("POST", path(manifest["kind"], namespace), body)

    async def patch(self, kind: str, namespace: str, name: str, body: object, media: str = MERGE) -> Json:
        return await self.ask("PATCH", path(kind, namespace, name), body, media)

    async def delete(self, kind: str, namespace: str, name: str) -> Json:
        return await self.ask("DELETE", path(kind, namespace, name))

    @asynccontextmanager
    async def watch(self, where: str, **query: str) -> AsyncIterator[Watch]:
        """Open a watch; raises ApiError if it is refused."""
        timeout = aiohttp.ClientTimeout(total=None, sock_read=None)
        params = {"watch": "true", "timeoutSeconds": "120"} | query
        async with self._session.get(where, params=params, timeout=timeout) as sent:
            if sent.status != 200:
                raise ApiError(f"watch {where}", Answer(sent.status, await sent.json()))
            yield Watch(sent)


class Watch:
    """The events of an open watch, one by one."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def next(self, within: float = 20) -> Json | None:
        """The next event; None at the end. Raises TimeoutError, or aiohttp.ClientError if it broke off."""
        async with asyncio.timeout(within):
            line = await self._response.content.readline()
        return json.loads(line) if line else None

    async def until(self, wanted: Callable[[Json], bool], within: float = 30) -> Json:
        """The first event that `wanted` is true of. Raises TimeoutError, EOFError."""
        async with asyncio.timeout(within):
            while (event := await self.next(within)) is not None:
                if wanted(event):
                    return event
        raise EOFError("the watch ended")
