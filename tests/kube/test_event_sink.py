from __future__ import annotations

from dataclasses import replace

import pytest

from rotator.kube import Clusters, EventSink, Reference
from tests.kube.data import token
from tests.kube.fleets import fleet_of
from tests.kube.two import away, here

SECRET = Reference("Secret", "v1", "default", "s", "uid-s")
WORKLOAD = Reference("Deployment", "apps/v1", "default", "gw", "uid-gw")


@pytest.fixture
def sink(connection):
    return EventSink(Clusters.of(connection), "apim-token-rotator", "pod-1")


def events(sandbox):
    """Return ours: the sandbox's controllers send some, too."""
    all_of_them = sandbox.cluster.list("Event", "default")
    return [e for e in all_of_them if e["source"].get("component") == "apim-token-rotator"]


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
    assert sorted((e["message"], e["count"]) for e in events(sandbox)) == [("2 of 3", 3), ("3 of 3", 1)]


async def test_an_event_that_the_server_forgot_is_written_anew(sink, sandbox, connection):
    sink.emit(SECRET, "Normal", "Adopted", "once")
    await sandbox.cluster.wait_for(lambda cluster: cluster.list("Event", "default"))
    path = f"/api/v1/namespaces/default/events/{events(sandbox)[0]['metadata']['name']}"
    await connection.call("DELETE", path)
    sink.emit(SECRET, "Normal", "Adopted", "once")
    await sink.aclose()
    assert [e["count"] for e in events(sandbox)] == [1]


async def test_an_event_never_holds_a_token(sink, sandbox, said):
    sink.emit(SECRET, "Warning", "Drifted", f"found GatewayKey {token()} there")
    await sink.aclose()
    assert token() not in str(events(sandbox))
    assert token() not in said()


async def test_a_server_that_refuses_events_is_complained_about_once(sink, sandbox, caplog):
    sandbox.faults.add(server="kubernetes", action="status", status=403, times=None)
    for count in range(3):
        sink.emit(SECRET, "Normal", "Adopted", f"number {count}")
    await sink.aclose()
    complaints = [r for r in caplog.records if "Events cannot be written" in r.message]
    assert [r.levelname for r in complaints if r.levelname == "WARNING"] == ["WARNING"]


async def test_more_events_than_can_wait_are_dropped_without_an_error(connection, sandbox):
    sink = EventSink(Clusters.of(connection), "apim-token-rotator", "pod-1", farewell=60)
    sandbox.faults.add(server="kubernetes", action="hang", times=None)
    for count in range(1000):
        sink.emit(SECRET, "Normal", "Adopted", f"number {count}")
    sandbox.faults.clear()
    await sink.aclose()
    assert 256 <= len(events(sandbox)) <= 257


async def test_closing_does_not_wait_for_a_server_that_hangs(connection, sandbox):
    sink = EventSink(Clusters.of(connection), "apim-token-rotator", "pod-1", farewell=0.05)
    fault = sandbox.faults.add(server="kubernetes", action="hang", times=None)
    sink.emit(SECRET, "Normal", "Adopted", "never sent")
    await fault.hit()
    await sink.aclose()
    assert events(sandbox) == []


async def test_closing_a_sink_that_was_never_used_does_nothing(sink):
    await sink.aclose()


async def test_an_event_goes_to_the_cluster_of_what_it_is_about(two):
    sink = EventSink(await two.connect(), "apim-token-rotator", "pod-1")
    fleet = fleet_of(two.clusters, here(), away())
    await fleet.observe()
    for name in ("default/s", "west:default/s"):
        sink.emit(fleet.reference(name, "deployment/gw"), "Normal", "Restarted", name)
    await sink.aclose()
    assert [[e["message"] for e in events(s)] for s in (two.home, two.west)] == [
        ["default/s"],
        ["west:default/s"],
    ]
    (event,) = events(two.west)
    uid = two.west.cluster.get("Deployment", "default", "gw")["metadata"]["uid"]
    assert event["involvedObject"]["uid"] == uid


async def test_a_cluster_that_hangs_does_not_hold_up_the_events_of_others(two):
    sink = EventSink(await two.connect(), "apim-token-rotator", "pod-1", farewell=0.2)
    fault = two.west.faults.add(server="kubernetes", action="hang", times=None)
    sink.emit(replace(SECRET, context="west"), "Normal", "Adopted", "never sent")
    await fault.hit()
    sink.emit(SECRET, "Normal", "Adopted", "sent")
    await sink.aclose()
    assert [e["message"] for e in events(two.home)] == ["sent"]


async def test_a_cluster_that_takes_no_events_is_not_away(two):
    """Events have a store and a place in the queue of their own."""
    sink = EventSink(await two.connect(min_backoff=30.0, max_backoff=30.0), "apim-token-rotator", "pod-1")
    fleet = fleet_of(two.clusters, here(), away())
    two.west.faults.add(server="kubernetes", action="status", status=500, path="/events", times=None)
    sink.emit(replace(SECRET, context="west"), "Normal", "Adopted", "lost")
    await sink.aclose()
    assert (await fleet.observe()).unreachable == ()
