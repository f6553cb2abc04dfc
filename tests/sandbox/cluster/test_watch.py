import asyncio
import itertools

import aiohttp
import pytest

from tests.sandbox.cluster.conftest import secret

SECRETS = "/api/v1/namespaces/default/secrets"


async def take(events, count):
    async with asyncio.timeout(60):
        return [await anext(events) for _ in range(count)]


def told(events):
    return [(event["type"], event["object"]["metadata"]["name"]) for event in events]


async def version(api):
    return (await api("GET", SECRETS)).body["metadata"]["resourceVersion"]


async def test_without_a_version_a_watch_begins_with_everything_that_exists(api, cluster):
    cluster.apply(secret("a", x="1"))
    events = api.watch(SECRETS)
    assert told(await take(events, 1)) == [("ADDED", "a")]

    cluster.apply(secret("b", x="1"))
    cluster.patch("Secret", "default", "a", {"stringData": {"x": "2"}})
    cluster.delete("Secret", "default", "b")

    assert told(await take(events, 3)) == [("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]
    await events.aclose()


async def test_a_watch_from_a_version_tells_what_happened_since(api, cluster):
    cluster.apply(secret("a", x="1"))
    since = await version(api)
    cluster.apply(secret("b", x="1"))
    cluster.apply(secret("c", "other", x="1"))
    cluster.delete("Secret", "default", "a")

    events = api.watch(SECRETS, resourceVersion=since)
    seen = await take(events, 2)
    await events.aclose()

    assert told(seen) == [("ADDED", "b"), ("DELETED", "a")]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in seen]
    assert versions == sorted(versions)
    assert versions[0] > int(since)


async def test_objects_enter_and_leave_a_selection(api, cluster):
    cluster.apply(secret("a", x="1"))
    events = api.watch(SECRETS, labelSelector="on=1", resourceVersion=await version(api))

    for labels in ({"on": "1"}, {"more": "1"}, {"on": None}, {"more": None}, {"on": "1"}):
        cluster.patch("Secret", "default", "a", {"metadata": {"labels": labels}})

    assert told(await take(events, 4)) == [
        ("ADDED", "a"),
        ("MODIFIED", "a"),
        ("DELETED", "a"),
        ("ADDED", "a"),
    ]
    await events.aclose()


async def test_a_single_object_is_watched_by_field_selector(api, cluster):
    cluster.apply(secret("a", x="1"))
    cluster.apply(secret("b", x="1"))

    events = api.watch(SECRETS, fieldSelector="metadata.name=b", timeoutSeconds="1")

    assert told([event async for event in events]) == [("ADDED", "b")]


async def test_the_time_out_ends_a_watch_cleanly_after_a_bookmark(api, cluster):
    cluster.apply(secret("a", x="1"))
    since = await version(api)
    cluster.apply({"kind": "ConfigMap", "metadata": {"name": "unrelated"}})

    events = api.watch(SECRETS, resourceVersion=since, timeoutSeconds="1", allowWatchBookmarks="true")
    seen = [event async for event in events]

    assert [event["type"] for event in seen] == ["BOOKMARK"]
    assert seen[0]["object"]["kind"] == "Secret"
    assert int(seen[0]["object"]["metadata"]["resourceVersion"]) > int(since)


async def test_a_version_before_the_compaction_is_answered_with_one_error(api, cluster):
    since = await version(api)
    cluster.compact()

    seen = [event async for event in api.watch(SECRETS, resourceVersion=since)]

    assert [event["type"] for event in seen] == ["ERROR"]
    status = seen[0]["object"]
    assert (status["kind"], status["code"], status["reason"]) == ("Status", 410, "Expired")
    assert status["message"].startswith(f"too old resource version: {since} (")


async def test_after_a_compaction_a_new_list_can_be_watched_from(api, cluster):
    cluster.compact()

    events = api.watch(SECRETS, resourceVersion=await version(api))
    pending = asyncio.ensure_future(take(events, 1))
    await cluster.wait_for(lambda cluster: cluster.watches == 1 or bool(cluster.apply(secret("tick", x="1"))))
    cluster.apply(secret("a", x="1"))

    assert (await pending)[0]["type"] == "ADDED"
    await events.aclose()


async def test_dropped_watches_break_off(api, cluster):
    cluster.apply(secret("a", x="1"))
    events = api.watch(SECRETS)
    await take(events, 1)

    cluster.drop_watches()

    with pytest.raises(aiohttp.ClientPayloadError):
        await take(events, 1)
    assert cluster.watches == 0


async def test_a_client_that_goes_away_leaves_no_watch_behind(api, cluster):
    cluster.apply(secret("a", x="1"))
    events = api.watch(SECRETS)
    await take(events, 1)
    assert cluster.watches == 1

    await events.aclose()

    for number in itertools.count():
        if cluster.watches == 0:
            break
        assert number < 1000
        await api("GET", "/healthz")  # gives the server time to notice
    assert cluster.watches == 0


async def test_initial_events_end_with_a_marked_bookmark(api, cluster):
    cluster.apply(secret("a", x="1"))
    wish = {
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
        "allowWatchBookmarks": "true",
    }

    events = api.watch(SECRETS, **wish)
    first, end = await take(events, 2)
    await events.aclose()

    assert first["type"] == "ADDED"
    assert end["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_a_version_that_is_not_a_number_is_a_server_error(api):
    assert (await api("GET", SECRETS, watch="true", resourceVersion="x")).status == 500
