from __future__ import annotations

import asyncio

import aiohttp
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from rotator.daemon.swappable_app import SwappableApp
from rotator.web import Server, bind
from tests.web.test_server import ANY, serving


class Answers:
    """An application that answers with its name, once it may."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked = asyncio.Event()
        self.may = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.set()
        await self.may.wait()
        await PlainTextResponse(self.name)(scope, receive, send)


async def get(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        return answer.status, await answer.text()


async def test_a_request_between_two_applications_is_answered_by_the_second() -> None:
    app, second = SwappableApp(), Answers("second")
    second.may.set()
    async with serving(Server(app, bind(ANY), 1)) as url:
        waiting = asyncio.create_task(get(url))
        await asyncio.wait({waiting}, timeout=0.05)
        app.swap(second)
        assert await waiting == (200, "second")


async def test_a_request_under_way_ends_where_it_began() -> None:
    app, first, second = SwappableApp(), Answers("first"), Answers("second")
    app.swap(first)
    async with serving(Server(app, bind(ANY), 1)) as url:
        under_way = asyncio.create_task(get(url))
        await first.asked.wait()
        app.pause()
        quiet = asyncio.create_task(app.idle())
        await asyncio.wait({quiet}, timeout=0.05)
        assert not quiet.done()
        first.may.set()
        await quiet
        app.swap(second)
        assert await under_way == (200, "first")


async def test_a_request_to_a_closed_application_is_asked_to_retry() -> None:
    app = SwappableApp()
    app.close()
    async with serving(Server(app, bind(ANY), 1)) as url:
        status, _ = await get(url)
    assert status == 503


async def test_closing_sends_away_who_waits() -> None:
    app = SwappableApp()
    async with serving(Server(app, bind(ANY), 1)) as url:
        waiting = asyncio.create_task(get(url))
        await asyncio.wait({waiting}, timeout=0.05)
        app.close()
        assert (await waiting)[0] == 503
