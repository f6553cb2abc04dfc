from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO

import aiohttp
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from rotator.web import BodyBudget, BodyLimit, Server, bind
from tests.web.test_server import ANY, raw, serving


class Echo:
    def __init__(self) -> None:
        self.lengths: list[int] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.lengths.append(len(await Request(scope, receive).body()))
        await Response("ok")(scope, receive, send)


@asynccontextmanager
async def limited(
    echo: Echo, limit: int = 1000, seconds: float = 5, budget: int = 10_000
) -> AsyncIterator[Server]:
    server = Server(BodyLimit(echo, limit, seconds, BodyBudget(budget)), bind(ANY), 1)
    async with serving(server):
        yield server


async def post(server: Server, data: object) -> tuple[int, str | None]:
    async with aiohttp.ClientSession() as http, http.post(f"http://127.0.0.1:{server.port}/", data=data) as r:
        return r.status, r.headers.get("connection")


async def chunks(size: int, count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * size


async def test_a_body_up_to_the_limit_comes_through_whole() -> None:
    echo = Echo()
    async with limited(echo) as server:
        assert [
            await post(server, b"x" * 1000),
            await post(server, chunks(100, 10)),
            await post(server, None),
        ] == [(200, None)] * 3
    assert echo.lengths == [1000, 1000, 0]


@pytest.mark.parametrize("size", [1001, 4000, 4001, 1_000_000])
async def test_a_longer_body_is_answered_413_and_the_connection_closed(size: int) -> None:
    echo = Echo()
    async with limited(echo) as server:
        assert await post(server, b"x" * size) == (413, "close")
    assert echo.lengths == []


@pytest.mark.parametrize("count", [11, 40])
async def test_chunks_are_counted(count: int) -> None:
    async with limited(Echo()) as server:
        assert await post(server, chunks(100, count)) == (413, "close")


async def test_the_client_of_a_long_body_gets_to_read_the_answer() -> None:
    async with limited(Echo(), limit=1_000_000, budget=8_000_000) as server:
        assert [(await post(server, BytesIO(b"x" * 3_900_000)))[0] for _ in range(5)] == [413] * 5


async def test_a_slow_body_is_answered_408() -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc"
    async with limited(Echo(), seconds=0.2) as server:
        said = await raw(server.port, head)
    assert said.startswith(b"HTTP/1.1 408")
    assert b"connection: close" in said


async def test_a_refused_body_leaves_the_budget_as_it_was() -> None:
    budget = BodyBudget()
    limit = BodyLimit(Echo(), 1000, 5, budget)
    left = [b"x" * 600] * 2
    sent: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": left.pop(), "more_body": bool(left)}

    async def send(message: Message) -> None:
        sent.append(message.get("status", 0))

    await limit({"type": "http", "headers": []}, receive, send)
    assert (sent[0], budget.held) == (413, 0)


async def test_too_many_bodies_at_once_are_put_off_and_room_comes_back() -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
    async with limited(Echo(), budget=1500) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(head + b"x" * 999)
        await writer.drain()
        while (status := (await post(server, b"x" * 900))[0]) == 200:
            await asyncio.sleep(0)  # until the first body has been read so far
        assert status == 503
        writer.write(b"x")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        assert (await post(server, b"x" * 1000))[0] == 200
        writer.close()


async def test_a_client_that_goes_away_leaves_nothing_behind() -> None:
    echo = Echo()
    budget = BodyBudget()
    limit = BodyLimit(echo, 1000, 5, budget)
    server = Server(limit, bind(ANY), 1)
    async with serving(server):
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert (await post(server, b"x"))[0] == 200
    assert (echo.lengths, budget.held) == ([1], 0)
