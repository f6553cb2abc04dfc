"""The one way to the API server: raw JSON in and out, bounded in time, errors named by what to do."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes.aio.client import ApiClient
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.config import ConfigException

from rotator.config import KubernetesSettings
from rotator.errors import Unavailable
from rotator.kube.client.clock_offset import ServerTime, local_time
from rotator.kube.client.credentials import SERVICE_ACCOUNT, configuration, rejected
from rotator.kube.client.paths import Access
from rotator.kube.client.responses import Json, failure, parse

MERGE_PATCH = "application/merge-patch+json"
FIELD_MANAGER = "apim-token-rotator"
MANY_WATCHES = 256
"""Each watch holds a connection: who comes later has to poll."""
PATIENCE = 10.0
"""Seconds for a call; so much longer than the server a client waits for the end of a watch."""
_GONE = 410

Query = Sequence[tuple[str, str]]


class Connection:
    """One ApiClient for the whole process. Calls may run at the same time in any number."""

    def __init__(self, client: ApiClient, patience: float = PATIENCE) -> None:
        self._client = client
        self._patience = patience
        self._watches = 0
        self.time = ServerTime()
        self.blind: set[str] = set()
        """What this process may not watch, as far as that was told already."""

    @classmethod
    async def connect(
        cls,
        settings: KubernetesSettings,
        user_agent: str,
        *,
        environ: Mapping[str, str] = os.environ,
        service_account: Path = SERVICE_ACCOUNT,
        patience: float = PATIENCE,
    ) -> Connection:
        """Read the credentials; nothing is sent yet. patience: seconds for a call, unless it names its own.

        Raises Refused or Unavailable.
        """
        cfg = await configuration(settings, environ, service_account)
        cfg.connection_pool_maxsize = 0  # without a limit: waiting rotations hold watches open
        try:
            client = ApiClient(cfg)
        except (OSError, ValueError) as problem:
            raise Unavailable(
                f"the cluster's CA or the client certificate cannot be read: {problem}"
            ) from problem
        client.user_agent = user_agent
        return cls(client, patience)

    @property
    def patience(self) -> float:
        """Seconds for a call that does not name its own."""
        return self._patience

    async def close(self) -> None:
        await self._client.close()  # type: ignore[no-untyped-call]  # the library has no types

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        body: Json | None = None,
        content_type: str = "application/json",
        what: str = "",
        patience: float | None = None,
    ) -> Json:
        """Return the JSON object that the server answers, within patience seconds.

        what names the object in messages, such as `Secret apim/x`.

        Raises:
            NotFound, Conflict: as the names say.
            Refused: forbidden (says which rule to grant) or invalid.
            Unavailable: no answer, or the server is busy; whether it acted is unknown.
        """
        what, patience = what or path, patience or self._patience
        async with (
            _translated(what, patience),
            await self._send(method, path, query, body, content_type, patience) as answer,
        ):
            content = await answer.read()
        if answer.status == 401:
            rejected(self._client.configuration)
        if answer.status >= 300:
            raise failure(answer.status, answer.headers, content, Access.of(method, path), what)
        return parse(content, what)

    async def patch(self, path: str, body: Json, what: str, patience: float | None = None) -> Json:
        """Send a merge patch; guarded if body names a resourceVersion. Raises as call does."""
        return await self.call(
            "PATCH",
            path,
            query=[("fieldManager", FIELD_MANAGER)],
            body=body,
            content_type=MERGE_PATCH,
            what=what,
            patience=patience,
        )

    @property
    def crowded(self) -> bool:
        """Whether so many watches are open that another one should not be."""
        return self._watches >= MANY_WATCHES

    async def watch(self, path: str, query: Query, within: float, what: str = "") -> AsyncGenerator[Json]:
        """Yield events until the server or this client ends the watch, at most within seconds.

        Ends as well when the resourceVersion in query is too old (410), and when the connection
        breaks: whoever watches looks again. Use `contextlib.aclosing` around it.

        Raises:
            Refused: this process may not watch.
            Unavailable: the server could not be reached, or had no time.
        """
        what = what or path
        asked = [*query, ("watch", "true"), ("timeoutSeconds", str(max(1, round(within))))]
        self._watches += 1
        try:
            patience = within + self._patience
            async with _translated(what, patience):
                sent = await self._send("GET", path, asked, None, "application/json", patience)
            async with sent as answer:
                if answer.status >= 300:
                    access = Access.of("GET", path, watching=True)
                    raise failure(answer.status, answer.headers, await answer.read(), access, what)
                async for event in _events(answer):
                    yield event
        finally:
            self._watches -= 1

    async def _send(
        self, method: str, path: str, query: Query, body: Json | None, content_type: str, patience: float
    ) -> aiohttp.ClientResponse:
        request = await self._client.param_serialize(
            method,
            path,
            query_params=list(query),
            header_params={"Accept": "application/json", "Content-Type": content_type},
            body=body,
            auth_settings=["BearerToken"],
        )
        sent = local_time()
        answer = await self._client.call_api(*request, _request_timeout=aiohttp.ClientTimeout(total=patience))
        response: aiohttp.ClientResponse = answer.response
        self.time.note(response.headers, sent)
        return response


async def _events(answer: aiohttp.ClientResponse) -> AsyncIterator[Json]:
    """Yield the lines of a watch. A broken connection or a frozen server ends it without an error."""
    try:
        async for line in answer.content:
            event: dict[str, Any] = json.loads(line)
            if event.get("type") == "ERROR":
                if event["object"].get("code") != _GONE:
                    raise Unavailable("the Kubernetes API ended a watch with an error")
                return
            yield event
    except (aiohttp.ClientError, TimeoutError, ValueError, OSError):
        return


@asynccontextmanager
async def _translated(what: str, patience: float) -> AsyncIterator[None]:
    """Bound the time, and let only errors of ours through."""
    try:
        async with asyncio.timeout(patience):
            yield
    except TimeoutError as problem:
        raise Unavailable(f"{what}: the Kubernetes API did not answer within {patience:.2g} s") from problem
    except aiohttp.ClientError as problem:
        kind = type(problem).__name__
        raise Unavailable(f"{what}: the Kubernetes API cannot be reached ({kind}: {problem})") from problem
    except (ConfigException, ApiException, OSError, ValueError, RuntimeError, AssertionError):
        # Their texts may hold headers or bodies. (aiohttp asserts: it repeats a GET, with a session that was
        # closed meanwhile.)
        raise Unavailable(f"{what}: the request to the Kubernetes API could not be made") from None
