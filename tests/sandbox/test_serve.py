from __future__ import annotations

import asyncio
import socket
import ssl
import stat
import urllib.parse

import aiohttp
import pytest
from starlette.responses import PlainTextResponse

from sandbox import serve, tls
from sandbox.journal import Journal

HELLO = PlainTextResponse("hello")


async def test_tls_passes_strict_verification_by_address_and_by_name(tmp_path):
    files = tls.create(tmp_path)
    context = ssl.create_default_context(cafile=str(files.ca))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    async with (
        serve.serving({"arm": HELLO}, {"arm": files}) as urls,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
    ):
        for url in (urls["arm"], urls["arm"].replace("127.0.0.1", "localhost")):
            async with session.get(url) as answer:
                assert await answer.text() == "hello"


async def test_another_sandbox_is_not_trusted(tmp_path):
    mine, other = tls.create(tmp_path / "mine"), tls.create(tmp_path / "other")
    context = ssl.create_default_context(cafile=str(other.ca))
    async with (
        serve.serving({"arm": HELLO}, {"arm": mine}) as urls,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
    ):
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await session.get(urls["arm"])


def test_the_private_key_is_for_its_owner_only(tmp_path):
    assert stat.S_IMODE(tls.create(tmp_path).key.stat().st_mode) == 0o600


async def test_no_port_is_open_afterwards_even_with_a_request_that_never_ends(tmp_path):
    started = asyncio.Event()

    async def endless(scope, receive, send):
        started.set()
        while (await receive())["type"] != "http.disconnect":
            pass

    async with aiohttp.ClientSession() as session:
        async with serve.serving({"a": endless, "b": HELLO}, {}) as urls:
            request = asyncio.create_task(session.get(urls["a"]))
            await started.wait()
        with pytest.raises(aiohttp.ClientConnectionError):
            await request
    for url in urls.values():
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", urllib.parse.urlsplit(url).port)).close()


async def test_answers_do_not_wait_for_delayed_acknowledgements():
    """With Nagle's algorithm on, an answer in two writes waits 40 ms on a kept connection."""
    seen = []

    async def note(scope, receive, send):
        accepted = scope["extensions"][serve.TRANSPORT]["transport"].get_extra_info("socket")
        seen.append(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        await HELLO(scope, receive, send)

    async with (
        serve.serving({"a": note}, {}) as urls,
        aiohttp.ClientSession() as session,
        session.get(urls["a"]) as answer,
    ):
        await answer.read()
    assert seen == [1]


async def test_an_error_inside_ends_the_servers_and_comes_out_unchanged():
    with pytest.raises(LookupError):
        async with serve.serving({"a": HELLO}, {}):
            raise LookupError


async def test_the_journal_knows_methods_paths_and_statuses_but_no_bodies_or_headers():
    journal = Journal()
    async with (
        serve.serving({"a": journal.around("arm", HELLO)}, {}) as urls,
        aiohttp.ClientSession(headers={"Authorization": "Bearer not-a-real-token"}) as session,
    ):
        async with session.post(urls["a"] + "/Some%20path?q=1", data="not-a-real-secret") as answer:
            assert answer.status == 200
        async with session.get(urls["a"] + "/other"):
            pass
    (call,) = journal.calls("arm", "post", "^/some%20path$")
    assert (call.n, call.path, call.query, call.status) == (1, "/Some%20path", "q=1", 200)
    assert len(journal.calls()) == journal.total == 2
    assert journal.calls("kubernetes") == []
    assert "not-a-real" not in repr(journal.calls())
