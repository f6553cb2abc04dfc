from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import aiohttp
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from rotator.config import Listen
from rotator.errors import Refused
from rotator.web import Server, bind, header_timeout
from rotator.web.server import KEEP_ALIVE_SECONDS
from tests.loop_clock import Later

ANY = Listen("127.0.0.1", 0)


class GatedApp:
    """An application whose requests wait until a test opens."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.open = asyncio.Event()
        self.app = Starlette(routes=[Route("/", self.now), Route("/wait", self.wait)])

    async def now(self, _: Request) -> Response:
        return PlainTextResponse("now")

    async def wait(self, _: Request) -> Response:
        self.entered.set()
        await self.open.wait()
        return PlainTextResponse("at last")


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[str]:
    async with asyncio.TaskGroup() as group:
        group.create_task(server.serve())
        yield f"http://127.0.0.1:{server.port}"
        server.stop()


async def get(url: str) -> tuple[int, str, dict[str, str]]:
    async with aiohttp.ClientSession() as http, http.get(url) as r:
        return r.status, await r.text(), {k.lower(): v for k, v in r.headers.items()}


def closed(port: int) -> bool:
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) != 0


async def raw(port: int, *parts: bytes) -> bytes:
    """Send parts and return all that comes back until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        return await asyncio.wait_for(reader.read(), 60)
    finally:
        writer.close()


async def test_several_servers_share_a_loop_and_leave_signals_alone() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    one, two = Server(GatedApp().app, bind(ANY), 1), Server(GatedApp().app, bind(ANY), 1)
    ports = [one.port, two.port]
    async with serving(one) as first, serving(two) as second:
        assert [(await get(first))[:2], (await get(second))[:2]] == [(200, "now")] * 2
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    assert [closed(p) for p in ports] == [True, True]


async def test_an_answer_has_a_date_and_does_not_name_the_server() -> None:
    async with serving(Server(GatedApp().app, bind(ANY), 1)) as url:
        _, _, headers = await get(url)
    assert "date" in headers
    assert "server" not in headers


async def test_a_port_in_use_is_refused_with_a_remedy() -> None:
    with bind(ANY) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Refused, match=f"port {port} is in use on 127.0.0.1. Stop what listens there"):
            bind(Listen("127.0.0.1", port))


async def test_an_address_of_another_host_is_refused_with_a_remedy() -> None:
    with pytest.raises(Refused, match=r"cannot listen on 192\.0\.2\.1"):
        bind(Listen("192.0.2.1", 0))


async def test_stopping_answers_what_is_under_way_and_closes_the_port() -> None:
    gated = GatedApp()
    server = Server(gated.app, bind(ANY), grace=10)
    port = server.port
    serve = asyncio.create_task(server.serve())
    answer = asyncio.create_task(get(f"http://127.0.0.1:{port}/wait"))
    await gated.entered.wait()
    server.stop()
    gated.open.set()
    assert (await answer)[:2] == (200, "at last")
    await serve
    assert closed(port)


async def test_grace_ends_what_does_not_end_itself() -> None:
    gated = GatedApp()
    server = Server(gated.app, bind(ANY), grace=1)
    serve = asyncio.create_task(server.serve())
    answer = asyncio.create_task(get(f"http://127.0.0.1:{server.port}/wait"))
    await gated.entered.wait()
    server.stop()
    await asyncio.wait_for(serve, 60)
    (ended,) = await asyncio.gather(answer, return_exceptions=True)
    assert isinstance(ended, aiohttp.ClientError) or ended[0] == 500


async def test_stopping_before_serving_leaves_no_port_open() -> None:
    server = Server(GatedApp().app, bind(ANY), 1)
    port = server.port
    server.stop()
    await asyncio.wait_for(server.serve(), 60)
    assert closed(port)


async def test_a_cancelled_server_leaves_no_port_and_no_connection_open() -> None:
    server = Server(GatedApp().app, bind(ANY), 1)
    port = server.port
    serve = asyncio.create_task(server.serve())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"now")
    serve.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serve
    assert closed(port)
    assert await asyncio.wait_for(reader.read(), 60) == b""
    writer.close()


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"\r\n"])
async def test_a_client_that_never_finishes_its_header_is_sent_away(said: bytes) -> None:
    server = Server(GatedApp().app, bind(ANY), 1, header_seconds=0.2)
    async with serving(server):
        assert await raw(server.port, said) == b""


@pytest.mark.parametrize("said", [b"GET / HT", b"\r\n"])
async def test_a_client_that_never_finishes_its_second_header_is_sent_away(said: bytes, later: Later) -> None:
    server = Server(GatedApp().app, bind(ANY), 1, header_seconds=20)
    async with serving(server):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"now")
        end = asyncio.create_task(reader.read())
        writer.write(said)
        while not end.done():
            await later.by(0.5)
        assert await end == b"" and later.seconds < KEEP_ALIVE_SECONDS
        writer.close()


async def test_a_slow_answer_is_not_a_slow_header(later: Later) -> None:
    gated = GatedApp()
    async with serving(Server(gated.app, bind(ANY), 1, header_seconds=20)) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        await gated.entered.wait()
        await later.by(50)  # longer than a header may take: nothing must happen
        gated.open.set()
        assert (await reader.readuntil(b"at last")).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_one_connection_serves_many_requests_beyond_the_time_of_a_header(later: Later) -> None:
    async with serving(Server(GatedApp().app, bind(ANY), 1, header_seconds=20)) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        for pause in (0, 30, 30):
            await later.by(pause)  # idle: the keep-alive time counts, not the header's
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readuntil(b"now")).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_a_header_without_end_is_refused() -> None:
    server = Server(GatedApp().app, bind(ANY), 1)
    async with serving(server):
        said = await raw(server.port, b"GET / HTTP/1.1\r\nX: ", b"a" * 100_000)
    assert said.startswith(b"HTTP/1.1 400")


async def test_two_ways_to_say_the_length_are_refused() -> None:
    server = Server(GatedApp().app, bind(ANY), 1)
    both = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    async with serving(server):
        assert (await raw(server.port, both)).startswith(b"HTTP/1.1 400")


def test_a_bound_socket_names_its_protocol_so_that_answers_are_not_delayed() -> None:
    with bind(Listen("127.0.0.1", 0)) as sock:
        assert sock.proto == socket.IPPROTO_TCP


async def test_connections_beyond_the_limit_are_ended_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them may hold a long header until its time is up."""
    monkeypatch.setattr(header_timeout, "MAX_CONNECTIONS", 3)
    server = Server(GatedApp().app, bind(ANY), 1)
    async with serving(server) as url, AsyncExitStack() as stack:
        for _ in range(3):
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            stack.callback(writer.close)
            writer.write(b"GET / HTTP/1.1\r\n")
            await writer.drain()
        with suppress(ConnectionResetError):
            assert await raw(server.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n") == b""
        await stack.aclose()
        async with asyncio.timeout(60):
            while True:
                with suppress(aiohttp.ClientError):
                    assert (await get(url))[0] == 200
                    break
