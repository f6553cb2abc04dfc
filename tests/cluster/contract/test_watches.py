from __future__ import annotations

import aiohttp
import pytest

from tests.cluster.api import path
from tests.cluster.contract.manifests import b64, secret
from tests.cluster.plane.control import ControlPlane
from tests.cluster.world import World


async def version(world: World, namespace: str) -> str:
    listed = await world.api.ask("GET", path("Secret", namespace))
    return str(listed["metadata"]["resourceVersion"])


async def test_a_watch_without_a_version_begins_with_what_exists(world: World, namespace: str):
    await world.api.create(secret(), namespace)
    async with world.api.watch(path("Secret", namespace)) as watch:
        event = await watch.next()
    assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "s")


async def test_a_watch_from_a_version_shows_only_what_came_after(world: World, namespace: str):
    await world.api.create(secret("before"), namespace)
    async with world.api.watch(
        path("Secret", namespace), resourceVersion=await version(world, namespace)
    ) as watch:
        await world.api.create(secret("after"), namespace)
        await world.api.patch("Secret", namespace, "after", {"data": {"a": b64("two")}})
        await world.api.delete("Secret", namespace, "after")
        events = [await watch.next() for _ in range(3)]
    assert [e["type"] for e in events] == ["ADDED", "MODIFIED", "DELETED"]
    assert {e["object"]["metadata"]["name"] for e in events} == {"after"}
    versions = [int(e["object"]["metadata"]["resourceVersion"]) for e in events]
    assert versions == sorted(set(versions))


async def test_a_watch_of_one_name_shows_no_other(world: World, namespace: str):
    async with world.api.watch(
        path("Secret", namespace),
        fieldSelector="metadata.name=b",
        resourceVersion=await version(world, namespace),
    ) as watch:
        await world.api.create(secret("a"), namespace)
        await world.api.create(secret("b"), namespace)
        event = await watch.next()
    assert event["object"]["metadata"]["name"] == "b"


async def test_what_leaves_a_label_selector_is_deleted_for_its_watch(world: World, namespace: str):
    await world.api.create(secret() | {"metadata": {"name": "s", "labels": {"x": "1"}}}, namespace)
    async with world.api.watch(path("Secret", namespace), labelSelector="x=1") as watch:
        assert (await watch.next())["type"] == "ADDED"
        await world.api.patch("Secret", namespace, "s", {"metadata": {"labels": {"x": "2"}}})
        assert (await watch.next())["type"] == "DELETED"


async def test_a_watch_ends_cleanly_at_its_time(world: World, namespace: str):
    async with world.api.watch(path("Secret", namespace), timeoutSeconds="1") as watch:
        assert await watch.next(within=15) is None


async def test_a_bookmark_comes_before_the_end(world: World, namespace: str):
    since = await version(world, namespace)
    async with world.api.watch(
        path("Secret", namespace), timeoutSeconds="8", allowWatchBookmarks="true", resourceVersion=since
    ) as watch:
        await world.api.create(secret(), namespace)  # where nothing happened a real server sends none
        assert (await watch.next())["type"] == "ADDED"
        event = await watch.next(within=15)
    assert event["type"] == "BOOKMARK"
    assert event["object"]["kind"] == "Secret"
    assert int(event["object"]["metadata"]["resourceVersion"]) >= int(since)


async def test_initial_events_end_with_a_bookmark_that_says_so(world: World, namespace: str):
    await world.api.create(secret(), namespace)
    query = {
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
    }
    async with world.api.watch(path("Secret", namespace), **query) as watch:
        events = [await watch.next(), await watch.next()]
    assert [e["type"] for e in events] == ["ADDED", "BOOKMARK"]
    assert events[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_a_forgotten_version_is_answered_with_an_event_of_410(world: World, namespace: str):
    old = await version(world, namespace)
    await world.api.create(secret(), namespace)
    await world.expire()
    async with world.api.watch(path("Secret", namespace), resourceVersion=old) as watch:
        event = await watch.next()
        after = await watch.next()
    assert event["type"] == "ERROR"
    status = event["object"]
    assert (status["kind"], status["code"], status["reason"]) == ("Status", 410, "Expired")
    assert status["message"].startswith(f"too old resource version: {old} (")
    assert after is None


async def test_a_version_that_is_no_number_is_the_servers_error(world: World, namespace: str):
    answer = await world.api.call("GET", path("Secret", namespace), watch="true", resourceVersion="x")
    assert answer.status == 500
    assert answer.body["message"] == (
        'resourceVersion: Invalid value: "x": strconv.ParseUint: parsing "x": invalid syntax'
    )


async def test_a_watch_breaks_off_when_the_server_dies(world: World, namespace: str):
    if world.plane is None and world.sandbox is None:
        pytest.skip("the cluster is not ours to kill")
    try:
        async with world.api.watch(path("Secret", namespace)) as watch:
            await die(world)
            with pytest.raises((aiohttp.ClientPayloadError, ConnectionError)):
                await watch.next()
    finally:
        if isinstance(world.plane, ControlPlane):
            await world.plane.start_apiserver()


async def die(world: World) -> None:
    if world.sandbox:
        world.sandbox.drop_watches()
    elif world.plane:
        await world.plane.apiserver.kill()
