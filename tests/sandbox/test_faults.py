from __future__ import annotations

import asyncio
import ssl
import time

import aiohttp
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from sandbox import serve, tls
from sandbox.faults import FaultError, Faults
from sandbox.journal import Journal


class World:
    """One server, "arm", that counts its requests."""

    def __init__(self):
        self.done, self.faults, self.journal = [], Faults(), Journal()

    async def act(self, request):
        self.done.append((await request.body()).decode())
        return PlainTextResponse("done")

    async def post(self, body="x", path="/act", **options):
        async with self.session.post(self.url + path, data=body, **options) as answer:
            return answer.status, await answer.text()


@pytest.fixture(params=["http", "https"])
async def world(request, tmp_path, caplog):
    world = World()
    app = Starlette(routes=[Route("/{path:path}", world.act, methods=["POST"])])
    files = tls.create(tmp_path)
    context = ssl.create_default_context(cafile=str(files.ca))
    wrapped = {"arm": world.journal.around("arm", world.faults.around("arm", app))}
    async with (
        serve.serving(wrapped, {"arm": files} if request.param == "https" else {}) as urls,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as world.session,
    ):
        world.url = urls["arm"]
        yield world
        world.faults.clear()
    assert not caplog.records, "the server complained"


async def test_without_rules_requests_pass(world):
    assert await world.post() == (200, "done")


@pytest.mark.parametrize(("when", "done"), [("before", []), ("after", ["x"])])
async def test_a_reset_cuts_the_connection_before_or_after_the_effect(world, when, done):
    world.faults.add(server="arm", action="reset", when=when)
    with pytest.raises(aiohttp.ClientConnectionError):
        await world.post()
    assert world.done == done
    assert [call.status for call in world.journal.calls()] == [0]
    assert await world.post("next") == (200, "done")


@pytest.mark.parametrize(("when", "done"), [("before", []), ("after", ["x"])])
async def test_a_status_replaces_the_answer_before_or_after_the_effect(world, when, done):
    world.faults.add(server="arm", action="status", when=when, status=429, retry_after=7)
    async with world.session.post(world.url + "/act", data="x") as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "7")
        assert "error" in await answer.json()
    assert world.done == done
    assert await world.post("next") == (200, "done")


async def test_a_given_body_is_answered(world):
    world.faults.add(server="arm", action="status", status=502, body="<html>")
    assert await world.post() == (502, "<html>")


@pytest.mark.parametrize(("when", "done"), [("before", []), ("after", ["x"])])
async def test_a_hanging_request_ends_when_the_rules_are_cleared(world, when, done):
    rule = world.faults.add(server="arm", action="hang", when=when)
    request = asyncio.create_task(world.post())
    await rule.hit()
    assert world.done == done
    assert not request.done()
    world.faults.clear()
    with pytest.raises(aiohttp.ClientConnectionError):
        await request


async def test_a_hanging_request_ends_when_its_client_leaves(world):
    rule = world.faults.add(server="arm", action="hang")
    request = asyncio.create_task(world.post())
    await rule.hit()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    async with asyncio.timeout(60):
        while not world.journal.calls():
            await asyncio.sleep(0)
    assert world.done == []


@pytest.mark.parametrize("when", ["before", "after"])
async def test_latency_delays_the_answer(world, when):
    world.faults.add(server="arm", action="latency", seconds=0.1, when=when)
    begin = time.perf_counter()
    assert await world.post() == (200, "done")
    assert time.perf_counter() - begin >= 0.1


async def test_latency_before_the_effect_happens_late_even_if_the_client_has_gone(world):
    rule = world.faults.add(server="arm", action="latency", seconds=0.1)
    request = asyncio.create_task(world.post("late"))
    await rule.hit()
    assert world.done == []
    request.cancel()
    async with asyncio.timeout(60):
        while not world.done:
            await asyncio.sleep(0.005)
    assert world.done == ["late"]


async def test_clearing_cuts_slow_requests_which_then_have_no_effect(world):
    rule = world.faults.add(server="arm", action="latency", seconds=60)
    request = asyncio.create_task(world.post())
    await rule.hit()
    world.faults.clear()
    with pytest.raises(aiohttp.ClientConnectionError):
        await request
    assert world.done == []


async def test_skip_lets_requests_pass_and_times_limits_the_catch(world):
    rule = world.faults.add(server="arm", action="status", status=500, skip=1, times=2)
    assert [(await world.post())[0] for _ in range(4)] == [200, 500, 500, 200]
    assert rule.caught == 2


async def test_times_none_catches_all(world):
    world.faults.add(server="arm", action="status", status=500, times=None)
    assert [(await world.post())[0] for _ in range(3)] == [500, 500, 500]


async def test_only_matching_requests_are_caught(world):
    world.faults.add(server="arm", action="status", status=500, path=r"/regeneratekey$", times=None)
    world.faults.add(server="arm", action="status", status=501, method="get", times=None)
    world.faults.add(server="kubernetes", action="status", status=502, times=None)
    assert (await world.post(path="/generateToken"))[0] == 200
    assert (await world.post(path="/gw/regenerateKey"))[0] == 500


async def test_the_first_of_two_rules_takes_the_request(world):
    world.faults.add(server="arm", action="status", status=500)
    world.faults.add(server="arm", action="status", status=501)
    assert [(await world.post())[0] for _ in range(3)] == [500, 501, 200]


async def test_hit_waits_for_the_given_number_of_requests(world):
    rule = world.faults.add(server="arm", action="status", times=None)
    twice = asyncio.create_task(rule.hit(2))
    await world.post()
    assert not twice.done()
    await world.post()
    await asyncio.wait_for(twice, 60)


@pytest.mark.parametrize(
    "wrong", [{"server": "moon"}, {"action": "explode"}, {"when": "during"}, {"path": "("}]
)
def test_an_invalid_rule_is_refused(wrong):
    with pytest.raises(FaultError):
        Faults().add(**({"server": "arm", "action": "reset"} | wrong))
