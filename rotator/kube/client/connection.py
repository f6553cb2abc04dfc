"""Calls the API server: raw JSON in and out, bounded in time, errors named by what to do next."""

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
from rotator.kube.client.clock_offset import ServerClock, local_time
from rotator.kube.client.credentials import SERVICE_ACCOUNT, configuration, forget_rejected_token
from rotator.kube.client.paths import Access
from rotator.kube.client.responses import Json, failure, parse

MERGE_PATCH = "application/merge-patch+json"
FIELD_MANAGER = "apim-token-rotator"
MAX_WATCHES = 256
"""Watches that one Connection opens at most; each holds a TCP connection. Further rollouts are polled."""
CALL_TIMEOUT = 10.0
"""Seconds that a call takes at most, and that a watch may outlive the time-out given to the server."""
_EXPIRED = 410
"""Status of a watch whose resourceVersion is too old."""

Query = Sequence[tuple[str, str]]


class Connection:
    """One ApiClient for one cluster. Any number of calls may run at the same time."""

    def __init__(self, client: ApiClient, call_timeout: float = CALL_TIMEOUT) -> None:
        self._client = client
        self._watches = 0
        self.call_timeout = call_timeout
        self.clock = ServerClock()
        self.unwatchable: set[str] = set()
        """Paths that this process may not watch and that a warning has named already."""

    @classmethod
    async def connect(
        cls,
        settings: KubernetesSettings,
        user_agent: str,
        *,
        environ: Mapping[str, str] = os.environ,
        service_account: Path = SERVICE_ACCOUNT,
        call_timeout: float = CALL_TIMEOUT,
    ) -> Connection:
        """Read the credentials. Sends nothing yet. call_timeout: seconds for a call that names no time-out.

        Raises Refused or Unavailable.
        """
        cfg = await configuration(settings, environ, service_account)
        cfg.connection_pool_maxsize = 0  # unlimited: waiting rotations hold watches open
        try:
            client = ApiClient(cfg)
        except (OSError, ValueError) as error:
            raise Unavailable(
                f"the cluster's CA or the client certificate cannot be read: {error}"
            ) from error
        client.user_agent = user_agent
        return cls(client, call_timeout)

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
        call_timeout: float | None = None,
    ) -> Json:
        """Return the JSON object that the server answers.

        what: names the object in messages, such as `Secret apim/x`.
        call_timeout: seconds for the whole call; None: as for the connection.

        Raises:
            NotFound, Conflict: the object does not exist, or changed since its resourceVersion.
            Refused: forbidden (the remedy names the rule to grant) or invalid.
            Unavailable: no answer, or the server is busy. Whether it acted is unknown.
        """
        what, seconds = what or path, call_timeout or self.call_timeout
        async with (
            _bounded_and_translated(what, seconds),
            await self._send(method, path, query, body, content_type, seconds) as answer,
        ):
            content = await answer.read()
        if answer.status == 401:
            forget_rejected_token(self._client.configuration)
        if answer.status >= 300:
            raise failure(answer.status, answer.headers, content, Access.of(method, path), what)
        return parse(content, what)

    async def patch(
        self,
        path: str,
        body: Json,
        what: str,
        call_timeout: float | None = None,
    ) -> Json:
        """Send a merge patch; guarded if body names a resourceVersion. Raises as call does."""
        return await self.call(
            "PATCH",
            path,
            query=[("fieldManager", FIELD_MANAGER)],
            body=body,
            content_type=MERGE_PATCH,
            what=what,
            call_timeout=call_timeout,
        )

    @property
    def watches_exhausted(self) -> bool:
        """Whether MAX_WATCHES are open: poll instead."""
        return self._watches >= MAX_WATCHES

    async def watch(self, path: str, query: Query, duration: float, what: str = "") -> AsyncGenerator[Json]:
        """Yield events until the server or this client ends the watch, after duration seconds at most.

        Ends as well when the resourceVersion in query is too old (410), and when the connection
        breaks: the caller observes again. Use `contextlib.aclosing` around it.

        Raises:
            Refused: this process may not watch.
            Unavailable: the server could not be reached, or is busy.
        """
        what = what or path
        query = [*query, ("watch", "true"), ("timeoutSeconds", str(max(1, round(duration))))]
        self._watches += 1
        try:
            seconds = duration + self.call_timeout
            async with _bounded_and_translated(what, seconds):
                response = await self._send("GET", path, query, None, "application/json", seconds)
            async with response as answer:
                if answer.status >= 300:
                    access = Access.of("GET", path, watching=True)
                    raise failure(answer.status, answer.headers, await answer.read(), access, what)
                async for event in _events(answer):
                    yield event
        finally:
            self._watches -= 1

    async def _send(
        self,
        method: str,
        path: str,
        query: Query,
        body: Json | None,
        content_type: str,
        seconds: float,
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
        answer = await self._client.call_api(*request, _request_timeout=aiohttp.ClientTimeout(total=seconds))
        response: aiohttp.ClientResponse = answer.response
        self.clock.record(response.headers, sent)
        return response


async def _events(answer: aiohttp.ClientResponse) -> AsyncIterator[Json]:
    """Yield the events of a watch. A broken connection or a frozen server ends it without an error."""
    try:
        async for line in answer.content:
            event: dict[str, Any] = json.loads(line)
            if event.get("type") == "ERROR":
                if event["object"].get("code") != _EXPIRED:
                    raise Unavailable("the Kubernetes API ended a watch with an error")
                return
            yield event
    except (aiohttp.ClientError, TimeoutError, ValueError, OSError):
        return


@asynccontextmanager
async def _bounded_and_translated(what: str, seconds: float) -> AsyncIterator[None]:
    """Bound the time of the block, and let only errors of `rotator.errors` through."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise Unavailable(f"{what}: the Kubernetes API did not answer within {seconds:.2g} s") from error
    except aiohttp.ClientError as error:
        kind = type(error).__name__
        raise Unavailable(f"{what}: the Kubernetes API cannot be reached ({kind}: {error})") from error
    except (ConfigException, ApiException, OSError, ValueError, RuntimeError, AssertionError):
        # Their texts may hold headers or bodies. AssertionError: aiohttp repeats a GET though the session was
        # closed meanwhile.
        raise Unavailable(f"{what}: the request to the Kubernetes API could not be made") from None
