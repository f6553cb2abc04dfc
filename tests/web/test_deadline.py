from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from rotator.web import Deadline

SCOPE: Scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
PASSED = 0.0
"""A deadline that passes as soon as the application waits for anything."""


@dataclass
class Client:
    """A client without a connection: it keeps what it is answered."""

    answers: list[Message] = field(default_factory=list)

    async def ask(self, deadline: Deadline) -> None:
        async with asyncio.timeout(5):
            await deadline(SCOPE, self.receive, self.send)

    async def receive(self) -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, message: Message) -> None:
        self.answers.append(message)

    @property
    def statuses(self) -> list[int]:
        return [m["status"] for m in self.answers if m["type"] == "http.response.start"]

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.answers[0]["headers"])


async def test_a_request_whose_deadline_passes_is_cancelled_and_answered_503() -> None:
    cancelled = asyncio.Event()

    async def hang(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    client = Client()
    await client.ask(Deadline(hang, PASSED, retry_after=30))
    assert (client.statuses, client.headers[b"retry-after"]) == ([503], b"30")
    assert cancelled.is_set()


async def test_a_connection_is_closed_whose_body_did_not_end_before_the_deadline() -> None:
    """The server would take the rest of the body for the header of another request."""

    async def hang(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    client = Client()
    await client.ask(Deadline(hang, PASSED, retry_after=30))
    assert client.headers[b"connection"] == b"close"


async def test_an_answer_in_time_is_passed_on() -> None:
    client = Client()
    await client.ask(Deadline(PlainTextResponse("in time"), 60, retry_after=30))
    assert (client.statuses, client.answers[-1]["body"]) == ([200], b"in time")


async def test_an_answer_that_has_begun_is_not_cut_off() -> None:
    async def slowly(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(5):
            await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b"whole"})

    client = Client()
    await client.ask(Deadline(slowly, PASSED, retry_after=30))
    assert (client.statuses, client.answers[-1]["body"]) == ([200], b"whole")


async def test_an_application_that_answers_after_the_deadline_is_not_heard() -> None:
    async def too_late(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await PlainTextResponse("too late")(scope, receive, send)

    client = Client()
    await client.ask(Deadline(too_late, PASSED, retry_after=30))
    assert client.statuses == [503]


async def test_a_timeout_of_the_application_itself_is_not_mistaken_for_the_deadline() -> None:
    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await Client().ask(Deadline(fail, 60, retry_after=30))
