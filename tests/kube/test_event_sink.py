from __future__ import annotations

from dataclasses import replace

import pytest

from rotator.kube import Clusters, EventSink, Reference
from tests.kube.objects import token
from tests.kube.scene import target_store
from tests.kube.two_clusters import target_at_home, target_in_west

SECRET = Reference("Secret", "v1", "default", "s", "uid-s")
WORKLOAD = Reference("Deployment", "apps/v1", "default", "gw", "uid-gw")


@pytest.fixture
def sink(connection):
    return EventSink(Clusters.of(connection), "apim-token-rotator", "pod-1")


def events(sandbox):
    """Return ours: the sandbox's controllers send some, too."""
    all_of_them = sandbox.cluster.list("Event", "default")
    return [event for event in all_of_them if event["source"].get("component") == "apim-token-rotator"]


async def test_an_event_points_at_its_object(sink, sandbox):
    sink.emit(SECRET, "Normal", "Adopted", "taken over as it is")
    await sink.aclose()
    (event,) = events(sandbox)
    assert event["involvedObject"] == {
        "kind": "Secret",
        "apiVersion": "v1",
        "namespace": "default",
        "name": "s",
        "uid": "uid-s",
    }
    assert (event["type"], event["reason"], event["message"]) == ("Normal", "Adopted", "taken over as it is")
    assert (event["source"]["component"], event["reportingInstance"]) == ("apim-token-rotator", "pod-1")
    assert event["count"] == 1


async def test_the_same_again_raises_the_count(sink, sandbox):
    for _ in range(3):
        sink.emit(WORKLOAD, "Warning", "RolloutFailed", "2 of 3")
    sink.emit(WORKLOAD, "Warning", "RolloutFailed", "3 of 3")
    await sink.aclose()
    assert sorted((event["message"], event["count"]) for event in events(sandbox)) == [
        ("2 of 3", 3),
        ("3 of 3", 1),
    ]


async def test_an_event_that_the_server_forgot_is_written_anew(sink, sandbox, connection):
    sink.emit(SECRET, "Normal", "Adopted", "once")
    await sandbox.cluster.wait_for(lambda cluster: cluster.list("Event", "default"))
    path = f"/api/v1/namespaces/default/events/{events(sandbox)[0]['metadata']['name']}"
    await connection.call("DELETE", path)
    sink.emit(SECRET, "Normal", "Adopted", "once")
    await sink.aclose()
    assert [event["count"] for event in events(sandbox)] == [1]


async def test_an_event_never_holds_a_token(sink, sandbox, logged):
    sink.emit(SECRET, "Warning", "Drifted", f"found GatewayKey {token()} there")
    await sink.aclose()
    assert token() not in str(events(sandbox))
    assert token() not in logged()


async def test_a_server_that_refuses_events_is_complained_about_once(sink, sandbox, caplog):
    sandbox.faults.add(server="kubernetes", action="status", status=403, times=None)
    for count in range(3):
        sink.emit(SECRET, "Normal", "Adopted", f"number {count}")
    await sink.aclose()
    complaints = [record for record in caplog.records if "Events cannot be written" in record.message]
    assert [record.levelname for record in complaints if record.levelname == "WARNING"] == ["WARNING"]


async def test_more_events_than_can_wait_are_dropped_without_an_error(connection, sandbox):
    sink = EventSink(Clusters.of(connection), "apim-token-rotator", "pod-1", close_timeout=60)
    sandbox.faults.add(server="kubernetes", action="hang", times=None)
    for count in range(1000):
        sink.emit(SECRET, "Normal", "Adopted", f"number {count}")
    sandbox.faults.clear()
    await sink.aclose()
    assert 256 <= len(events(sandbox)) <= 257


async def test_closing_does_not_wait_for_a_server_that_hangs(connection, sandbox):
    sink = EventSink(Clusters.of(connection), "apim-token-rotator", "pod-1", close_timeout=0.05)
    fault = sandbox.faults.add(server="kubernetes", action="hang", times=None)
    sink.emit(SECRET, "Normal", "Adopted", "never sent")
    await fault.hit()
    await sink.aclose()
    assert events(sandbox) == []


async def test_closing_a_sink_that_was_never_used_does_nothing(sink):
    await sink.aclose()


async def test_an_event_goes_to_the_cluster_of_what_it_is_about(two_clusters):
    sink = EventSink(await two_clusters.connect(), "apim-token-rotator", "pod-1")
    store = target_store(two_clusters.clusters, target_at_home(), target_in_west())
    await store.observe()
    for name in ("default/s", "west:default/s"):
        sink.emit(store.reference(name, "deployment/gw"), "Normal", "Restarted", name)
    await sink.aclose()
    assert [
        [event["message"] for event in events(sandbox)] for sandbox in (two_clusters.home, two_clusters.west)
    ] == [
        ["default/s"],
        ["west:default/s"],
    ]
    (event,) = events(two_clusters.west)
    uid = two_clusters.west.cluster.get("Deployment", "default", "gw")["metadata"]["uid"]
    assert event["involvedObject"]["uid"] == uid


async def test_a_cluster_that_hangs_does_not_hold_up_the_events_of_others(two_clusters):
    sink = EventSink(await two_clusters.connect(), "apim-token-rotator", "pod-1", close_timeout=0.2)
    fault = two_clusters.west.faults.add(server="kubernetes", action="hang", times=None)
    sink.emit(replace(SECRET, context="west"), "Normal", "Adopted", "never sent")
    await fault.hit()
    sink.emit(SECRET, "Normal", "Adopted", "sent")
    await sink.aclose()
    assert [event["message"] for event in events(two_clusters.home)] == ["sent"]


async def test_a_cluster_that_takes_no_events_is_not_unreachable(two_clusters):
    """Events have a store and a place in the queue of their own."""
    sink = EventSink(
        await two_clusters.connect(min_backoff=30.0, max_backoff=30.0), "apim-token-rotator", "pod-1"
    )
    store = target_store(two_clusters.clusters, target_at_home(), target_in_west())
    two_clusters.west.faults.add(server="kubernetes", action="status", status=500, path="/events", times=None)
    sink.emit(replace(SECRET, context="west"), "Normal", "Adopted", "lost")
    await sink.aclose()
    assert (await store.observe()).unreachable == ()
