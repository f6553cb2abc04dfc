"""Injects faults into requests to every server: late, refused, cut or hanging, before or after the effect."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, get_args

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.common import disconnected, while_connected
from sandbox.journal import raw_path
from sandbox.serve import TRANSPORT

Action = Literal["latency", "status", "reset", "hang"]
When = Literal["before", "after"]
SERVERS = ("arm", "kubernetes", "identity", "configuration", "entra", "eventgrid", "namespace")


class FaultError(ValueError):
    """An invalid rule; the message says why."""


@dataclass(slots=True, eq=False)
class Rule:
    """A fault and the requests it applies to; `caught` counts them."""

    id: int
    server: str
    action: Action
    when: When
    method: str | None
    path: re.Pattern[str] | None
    skip: int
    times: int | None
    seconds: float
    status: int
    retry_after: float | None
    body: str | None
    caught: int = 0
    released: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    _seen: int = field(default=0, repr=False)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition, repr=False)

    async def hit(self, count: int = 1) -> None:
        """Wait until `count` requests were caught. With when="after", their effects have happened by then."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.caught >= count)

    def matches(self, server: str, method: str, path: str) -> bool:
        """Whether this rule applies to the request; the request counts towards `skip` and `times`."""
        if server != self.server or (self.method and method != self.method):
            return False
        if self.path and not self.path.search(path):
            return False
        if self.times is not None and self._seen >= self.skip + self.times:
            return False
        self._seen += 1
        return self._seen > self.skip

    async def note(self) -> None:
        """Count a caught request and wake the callers of `hit`."""
        async with self._changed:
            self.caught += 1
            self._changed.notify_all()


class Faults:
    """The active rules, oldest first. The first rule that matches a request applies."""

    def __init__(self, clusters: Iterable[str] = ()) -> None:
        """`clusters` names the servers of further clusters."""
        self._servers = (*SERVERS, *clusters)
        self._rules: list[Rule] = []
        self._ids = itertools.count(1)

    def add(
        self,
        *,
        server: str,
        action: Action,
        when: When = "before",
        method: str | None = None,
        path: str | None = None,
        skip: int = 0,
        times: int | None = 1,
        seconds: float = 0.0,
        status: int = 503,
        retry_after: float | None = None,
        body: str | None = None,
    ) -> Rule:
        """Add a rule that lets `skip` matching requests pass and then catches `times` (None: all).

        `path` is a regular expression, searched in the raw path, ignoring case. "before": the request does
        not reach the server; "after": the server acts, but its answer is withheld. "latency" answers
        `seconds` later, "status" answers `status`, "reset" cuts the connection, "hang" keeps it open
        until the client leaves or `clear()` is called. Raises FaultError.
        """
        if server not in self._servers:
            raise FaultError(f"there is no server {server!r}; the servers are {', '.join(self._servers)}")
        if action not in get_args(Action) or when not in get_args(When):
            raise FaultError(f"action must be one of {get_args(Action)}, when one of {get_args(When)}")
        try:
            pattern = re.compile(path, re.IGNORECASE) if path else None
        except re.error as error:
            raise FaultError(f"path {path!r} is not a regular expression: {error}") from error
        number, verb = next(self._ids), method.upper() if method else None
        rule = Rule(
            number, server, action, when, verb, pattern, skip, times, seconds, status, retry_after, body
        )
        self._rules.append(rule)
        return rule

    def find(self, number: int) -> Rule | None:
        """Return the rule with this id, unless it was cleared."""
        return next((rule for rule in self._rules if rule.id == number), None)

    def clear(self) -> None:
        """Remove all rules and cut the connections of requests that hang or wait."""
        for rule in self._rules:
            rule.released.set()
        self._rules.clear()

    def around(self, server: str, app: ASGIApp) -> ASGIApp:
        """Return `app` with the rules in front of it."""

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            path = raw_path(scope)
            rule = next((rule for rule in self._rules if rule.matches(server, scope["method"], path)), None)
            if rule is None:
                await app(scope, receive, send)
            else:
                await _Caught(rule, scope, receive, send).run(app)

        return guarded


@dataclass(frozen=True, slots=True)
class _Caught:
    rule: Rule
    scope: Scope
    receive: Receive
    send: Send

    async def run(self, app: ASGIApp) -> None:
        """Apply the rule."""
        answer: list[Message] = []
        if self.rule.when == "after":
            answer = await self._answer(app)
        await self.rule.note()
        match self.rule.action:
            case "reset":
                await self._cut()
            case "hang":
                await self._hang()
            case "status":
                await self._refuse()
            case "latency":
                await self._delay(app, answer)

    async def _answer(self, app: ASGIApp) -> list[Message]:
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await app(self.scope, self.receive, keep)
        return messages

    async def _refuse(self) -> None:
        rule = self.rule
        headers = {} if rule.retry_after is None else {"Retry-After": f"{rule.retry_after:g}"}
        body = _default_body(rule) if rule.body is None else rule.body
        response = Response(body, rule.status, headers, media_type="application/json")
        await response(self.scope, self.receive, self.send)

    async def _delay(self, app: ASGIApp, answer: list[Message]) -> None:
        """Answer late. With "before" the effect is late too, even after the client gave up."""
        arrived = [] if self.rule.when == "after" else await self._request()
        try:
            async with asyncio.timeout(self.rule.seconds):
                await self.rule.released.wait()
        except TimeoutError:
            if self.rule.when == "before":
                await app(self.scope, self._replay(arrived), self.send)
            for message in answer:
                await self.send(message)
        else:
            await self._cut()

    async def _request(self) -> list[Message]:
        """Read the whole body now: uvicorn drops what was not read when the client leaves."""
        messages = [await self.receive()]
        while messages[-1].get("more_body"):
            messages.append(await self.receive())
        return messages

    def _replay(self, messages: list[Message]) -> Receive:
        left = iter(messages)

        async def receive() -> Message:
            message = next(left, None)
            return await self.receive() if message is None else message

        return receive

    async def _hang(self) -> None:
        await while_connected(self.rule.released.wait(), self.receive)
        await self._cut()

    async def _cut(self) -> None:
        self.scope["extensions"][TRANSPORT]["transport"].abort()
        await disconnected(self.receive)  # uvicorn answers 500 if the application returns first


def _default_body(rule: Rule) -> str:
    message = "A fault injected by the sandbox."
    if rule.server.startswith("kubernetes"):
        status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        return json.dumps(status | {"message": message, "reason": "SandboxFault", "code": rule.status})
    return json.dumps({"error": {"code": "SandboxFault", "message": message}})
