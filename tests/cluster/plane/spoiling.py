"""A way to an API server that can be spoilt: every request passes through, with the caller's own credentials.

In front of it stand the sandbox's faults: requests are held, cut or refused, before or after they had their effect.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from starlette.types import Receive, Scope, Send
from yarl import URL

from sandbox import tls
from sandbox.common import while_connected
from sandbox.faults import Faults
from sandbox.journal import raw_path
from sandbox.serve import serving
from tests.cluster.plane.reach import Reach

SERVER = "kubernetes"
"""The name of the way in the rules of the faults."""
_OF_ONE_HOP = {b"connection", b"host", b"keep-alive", b"transfer-encoding", b"date", b"upgrade"}


@asynccontextmanager
async def spoilt(reach: Reach, faults: Faults, directory: Path) -> AsyncIterator[Reach]:
    """Another address of the same API server, spoilt by `faults`; its certificate is another one, too."""
    files = tls.create(directory)
    connector = aiohttp.TCPConnector(ssl=reach.tls(), limit=0)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:
        way = faults.around(SERVER, _Way(reach.server, session).app)
        async with serving({SERVER: way}, {SERVER: files}) as urls:
            yield Reach(urls[SERVER], files.ca)


@dataclass(frozen=True, slots=True)
class _Way:
    server: str
    session: aiohttp.ClientSession

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its answer back until either side has had enough."""
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message.get("body", b""), message.get("more_body", False)
        await while_connected(self._relay(scope, body, send), receive)

    async def _relay(self, scope: Scope, body: bytes, send: Send) -> None:
        query = scope["query_string"].decode()
        url = URL(self.server + raw_path(scope) + (f"?{query}" if query else ""), encoded=True)
        timeout = aiohttp.ClientTimeout(total=None)
        async with self.session.request(
            scope["method"], url, data=body or None, headers=_kept(scope["headers"]), timeout=timeout
        ) as sent:
            start = {"status": sent.status, "headers": list(_own(sent.raw_headers))}
            await send({"type": "http.response.start"} | start)
            async for chunk in sent.content.iter_any():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body"})


def _own(headers: object) -> list[tuple[bytes, bytes]]:
    return [(name.lower(), value) for name, value in headers if name.lower() not in _OF_ONE_HOP]


def _kept(headers: object) -> list[tuple[str, str]]:
    length = b"content-length"
    return [(n.decode(), v.decode()) for n, v in _own(headers) if n != length]
