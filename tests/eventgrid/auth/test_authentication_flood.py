"""Unauthenticated deliveries cost little: they are answered before their bodies are read."""

from __future__ import annotations

import asyncio
import socket
import tracemalloc
from pathlib import Path
from time import monotonic

import pytest
from starlette.types import Receive, Scope, Send

from rotator.config import Listen, WebhookSettings
from rotator.eventgrid.auth import responses
from rotator.eventgrid.auth.authentication import open_authenticator
from rotator.eventgrid.auth.guard import Guard
from rotator.eventgrid.auth.rate_limit import RateLimit
from rotator.web import Server, bind
from tests.eventgrid.auth.webhook_server import OLD, WebhookServer, serving_webhook

HEAD = b"POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.fixture(autouse=True)
def drain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a body run dry for a minute, so that no stall of the machine ends a connection too early."""
    monkeypatch.setattr(responses, "DRAIN_SECONDS", 60)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "secrets").write_text(OLD)
    return tmp_path / "secrets"


def port(webhook: WebhookServer) -> int:
    return int(webhook.url.rpartition(":")[2])


async def head_of_answer(number: int, sent: bytes) -> tuple[bytes, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", number)
    writer.write(sent)
    return await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30), writer


@pytest.mark.parametrize(
    "length", [b"Content-Length: 1500000", b"Content-Length: 999999999", b"Transfer-Encoding: chunked"]
)
async def test_the_answer_comes_before_the_first_byte_of_the_body(file: Path, length: bytes) -> None:
    async with serving_webhook({"secret_file": file}) as webhook:
        answer, writer = await head_of_answer(port(webhook), HEAD + length + b"\r\n\r\n")
        writer.close()
    assert answer.startswith(b"HTTP/1.1 401 ") and b"connection: close" in answer


async def test_a_client_that_expects_100_continue_is_refused_at_once(file: Path) -> None:
    sent = HEAD + b"Content-Length: 1500000\r\nExpect: 100-continue\r\n\r\n"
    async with serving_webhook({"secret_file": file}) as webhook:
        answer, writer = await head_of_answer(port(webhook), sent)
        writer.close()
    assert answer.startswith(b"HTTP/1.1 401 ")


async def test_a_slow_unauthenticated_body_is_waited_for_a_moment_and_no_longer(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responses, "DRAIN_SECONDS", 0.5)
    async with serving_webhook({"secret_file": file}) as webhook:
        reader, writer = await asyncio.open_connection("127.0.0.1", port(webhook))
        writer.write(HEAD + b"Content-Length: 1000\r\n\r\nx")
        begin = monotonic()
        said = await asyncio.wait_for(reader.read(), 30)  # to the end: the body never comes
        writer.close()
    assert said.startswith(b"HTTP/1.1 401 ") and monotonic() - begin >= 0.5


async def test_no_application_behind_the_guard_sees_an_unauthenticated_delivery(file: Path) -> None:
    seen: list[str] = []

    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["method"])

    settings = WebhookSettings(secret_file=file)
    async with open_authenticator(settings) as authenticator, asyncio.TaskGroup() as group:
        guard = Guard(authenticator, RateLimit(600), lambda *_: None, inside, inside)
        server = Server(guard, bind(Listen("127.0.0.1", 0)), grace=1)
        group.create_task(server.serve())
        answer, writer = await head_of_answer(server.port, HEAD + b"Content-Length: 2\r\n\r\n{}")
        writer.close()
        server.stop()
    assert answer.startswith(b"HTTP/1.1 401 ") and seen == []


async def test_a_client_that_sends_all_before_it_listens_gets_its_answer_all_the_same(file: Path) -> None:
    """A connection closed on a client that still sends is reset: Event Grid would never see the 401."""
    loop = asyncio.get_running_loop()

    async def send_unauthenticated(number: int) -> bytes:
        with socket.create_connection(("127.0.0.1", number)) as made:
            made.setblocking(False)
            await loop.sock_sendall(made, HEAD + b"Content-Length: 1900000\r\n\r\n")
            for _ in range(190):
                await loop.sock_sendall(made, b"x" * 10_000)
                await asyncio.sleep(0)  # the server is in this loop, too
            return await asyncio.wait_for(loop.sock_recv(made, 12), 30)

    async with serving_webhook({"secret_file": file}) as webhook:
        found = [await send_unauthenticated(port(webhook)) for _ in range(3)]
    assert found == [b"HTTP/1.1 401"] * 3


async def test_a_flood_of_large_bodies_is_not_held_in_memory(file: Path) -> None:
    body = HEAD + b"Content-Length: 2000000\r\n\r\n" + b"x" * 2_000_000

    async def send_unauthenticated(number: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", number)
        answer = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
        writer.write(body)
        try:
            return (await answer)[:12]
        finally:
            writer.transport.abort()

    async with serving_webhook({"secret_file": file}) as webhook:
        await send_unauthenticated(port(webhook))
        tracemalloc.start()
        for _ in range(20):
            found = await asyncio.gather(*(send_unauthenticated(port(webhook)) for _ in range(5)))
            assert set(found) == {b"HTTP/1.1 401"}
        left, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert left < 3_000_000


async def test_what_is_no_delivery_is_answered_without_its_body(file: Path) -> None:
    async with serving_webhook({"secret_file": file}) as webhook:
        for line, status in (
            (b"GET /events", b"405"),
            (b"POST /other", b"404"),
            (b"OPTIONS /events", b"403"),
        ):
            sent = line + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"
            answer, writer = await head_of_answer(port(webhook), sent)
            writer.close()
            assert answer.split()[1] == status


async def test_refusals_are_logged_once_a_minute(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with serving_webhook({"secret_file": file}) as webhook:
        for _ in range(30):
            await webhook.status()
        assert webhook.counted == {("Other", "unauthenticated"): 30}
    assert len([r for r in caplog.records if r.name.endswith("responses")]) == 1
