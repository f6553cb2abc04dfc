"""A connection to a cluster that is closed while it is in use, or while it is being opened."""

from __future__ import annotations

import asyncio

import pytest

from rotator.errors import Unavailable
from rotator.kube.client.cluster import Cluster
from rotator.kube.client.connection import Connection
from tests.kube.two_clusters import WEST

PROMPT = 60.0


def probes() -> list[str]:
    return [task.get_name() for task in asyncio.all_tasks() if task.get_name().startswith("probe of")]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_call_that_fails_after_the_end_starts_no_probe(two_clusters, caplog, method):
    """aiohttp tries a GET once more, with a session that is closed by then."""
    west = (await two_clusters.connect()).at(WEST)
    hung = two_clusters.west.faults.add(server="kubernetes", action="hang", times=None)

    async def ask():
        async with west.use() as connection:
            await connection.call(method, "/version")

    asking = asyncio.create_task(ask())
    await hung.hit()
    await west.close()
    with pytest.raises(Unavailable):
        async with asyncio.timeout(PROMPT):
            await asking
    assert (probes(), caplog.messages) == ([], [])


async def test_a_probe_ends_with_its_cluster(two_clusters):
    west = (await two_clusters.connect()).at(WEST)
    two_clusters.west.faults.add(server="kubernetes", action="reset", times=None)
    with pytest.raises(Unavailable):
        async with west.use() as connection:
            await connection.call("GET", "/version")
    assert probes() == ["probe of the cluster of context west"]
    await west.close()
    assert probes() == []


async def test_what_is_opened_after_the_end_is_closed(two_clusters):
    connecting, go_on, opened = asyncio.Event(), asyncio.Event(), []

    async def connect() -> Connection:
        connecting.set()
        await go_on.wait()
        connection = await Connection.connect(two_clusters.settings, "apim-token-rotator/test", environ={})
        await connection.call("GET", "/version")
        opened.append(connection)
        return opened[0]

    cluster = Cluster(WEST, connect)
    opening = asyncio.create_task(cluster.open())
    await connecting.wait()
    await cluster.close()
    go_on.set()
    await opening
    assert (cluster.connection, probes()) == (None, [])
    with pytest.raises(Unavailable, match="is not open"):
        async with cluster.use():
            pass
    assert opened[0]._client.rest_client.pool_manager.closed


async def test_a_defect_of_a_probe_is_told_by_its_place_and_the_next_probe_goes_on(two_clusters, caplog):
    answers = [Unavailable("not yet"), ZeroDivisionError("a value of a Secret")]

    async def connect() -> Connection:
        if answers:
            raise answers.pop(0)
        return await Connection.connect(two_clusters.settings, "apim-token-rotator/test", environ={})

    cluster = Cluster(WEST, connect, min_backoff=0.01, max_backoff=0.02)
    await cluster.open()
    async with asyncio.timeout(PROMPT):
        await cluster.until_reachable()
    await cluster.close()
    (record,) = [record for record in caplog.records if "could not be probed" in record.getMessage()]
    assert record.getMessage() == "the cluster of context west could not be probed: ZeroDivisionError"
    assert "test_cluster.py" in str(vars(record)["where"])
    assert "a value of a Secret" not in caplog.text
