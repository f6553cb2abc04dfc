from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress

import pytest

from rotator.errors import Unavailable
from rotator.kube.client import paths

PATH = paths.secret("default", "s")
SECRETS = PATH.removesuffix("/s")


async def first_event(connection, query=(), within=5.0):
    async with aclosing(connection.watch(SECRETS, query, within)) as events:
        return await anext(events, None)


async def test_a_watch_yields_what_changes(connection, plain_secret):
    since = (("resourceVersion", plain_secret["metadata"]["resourceVersion"]),)
    waiting = asyncio.create_task(first_event(connection, since))
    await connection.patch(PATH, {"metadata": {"annotations": {"a": "b"}}}, "s")
    event = await waiting
    assert (event["type"], event["object"]["metadata"]["annotations"]) == ("MODIFIED", {"a": "b"})


async def test_a_watch_from_too_old_a_version_ends(connection, sandbox, plain_secret):
    await connection.patch(PATH, {"metadata": {"annotations": {"a": "b"}}}, "s")
    sandbox.cluster.compact()
    since = (("resourceVersion", plain_secret["metadata"]["resourceVersion"]),)
    assert await first_event(connection, since) is None


async def test_a_watch_ends_when_its_time_is_over(connection, sandbox):
    version = sandbox.cluster.apply({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "c"}})
    since = (("resourceVersion", version["metadata"]["resourceVersion"]),)
    assert await first_event(connection, since, within=1.0) is None


async def test_a_watch_on_a_server_that_hangs_is_given_up(connect, sandbox):
    connection = await connect(call_timeout=0.1)
    sandbox.faults.add(server="kubernetes", action="hang", path="/secrets$")
    with pytest.raises(Unavailable, match="did not answer"):
        await first_event(connection, within=0.1)


async def test_a_watch_that_is_cut_ends(connection, sandbox, plain_secret):
    since = (("resourceVersion", plain_secret["metadata"]["resourceVersion"]),)
    async with aclosing(connection.watch(SECRETS, since, 30.0)) as events:
        waiting = asyncio.create_task(anext(events, None))
        await connection.patch(PATH, {"metadata": {"annotations": {"a": "b"}}}, "s")
        assert await waiting is not None
        sandbox.cluster.drop_watches()
        with suppress(StopAsyncIteration):
            assert await anext(events, None) is None


async def test_a_cancelled_watch_leaves_no_connection_behind(connection, sandbox, plain_secret):
    since = (("resourceVersion", plain_secret["metadata"]["resourceVersion"]),)
    watched = asyncio.Event()

    async def watch():
        async with aclosing(connection.watch(SECRETS, since, 30.0)) as events:
            async for _ in events:
                watched.set()

    watching = asyncio.create_task(watch())
    await connection.patch(PATH, {"metadata": {"annotations": {"a": "b"}}}, "s")
    await watched.wait()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert not connection._client.rest_client.pool_manager.connector._acquired
    assert not connection._watches
