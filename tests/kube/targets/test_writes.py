from __future__ import annotations

import json
from dataclasses import replace

import pytest

from rotator.core.access_token import fingerprint
from rotator.core.observation import Request
from rotator.core.records import Key
from rotator.errors import Conflict, Refused
from rotator.kube.client import paths
from rotator.kube.targets.secret import write_value
from tests.kube.data import encoded
from tests.kube.fleets import (
    KEY,
    calls,
    fleet_of,
    in_days,
    now,
    only,
    record_of,
    secret,
    target,
)

SECRET = paths.secret("default", "s")


async def test_what_is_written_is_seen_again(scene):
    record = record_of(scene.fresh)
    await scene.fleet.write(only(await scene.fleet.observe()), scene.fresh, record)
    found = only(await scene.fleet.observe())
    assert (found.fingerprint, found.expires_at) == (scene.fresh.fingerprint, scene.fresh.expires_at)
    assert (found.record, found.drifted) == (record, False)
    assert scene.secret()["data"] == {
        KEY: encoded(f"GatewayKey {scene.fresh.value}"),
        "other": encoded("kept"),
    }


async def test_a_bare_value_stays_bare(scene):
    scene.sandbox.cluster.apply(secret(scene.value))
    await scene.fleet.write(only(await scene.fleet.observe()), scene.fresh, record_of(scene.fresh))
    assert scene.secret()["data"][KEY] == encoded(scene.fresh.value)


async def test_a_bare_token_that_was_taken_out_is_put_back_as_it_was(scene):
    """As by a tool that writes the whole data: the key is gone, and with it what showed the form."""
    cluster, fleet = scene.sandbox.cluster, fleet_of(scene.connection)
    cluster.apply(secret(scene.value) | {"data": {"odd": encoded(scene.value), "other": encoded("kept")}})
    await fleet.write(only(await fleet.observe()), scene.fresh, record_of(scene.fresh))
    cluster.patch("Secret", "default", "s", {"data": {"odd": None}}, "some-tool")
    found = only(await fleet.observe())
    assert found.drifted
    await fleet.write(found, scene.fresh, found.record)
    assert scene.secret()["data"] == {"odd": encoded(scene.fresh.value), "other": encoded("kept")}


async def test_an_empty_secret_is_filled_with_the_prefix(scene):
    scene.sandbox.cluster.apply(secret(None))
    fleet = fleet_of(scene.connection, target("s", "deployment/gw", key=KEY))
    found = only(await fleet.observe())
    assert (found.fingerprint, found.expires_at) == (None, None)
    await fleet.write(found, scene.fresh, record_of(scene.fresh))
    assert scene.secret()["data"] == {KEY: write_value(scene.fresh.value, prefixed=True)}


async def test_a_record_alone_leaves_the_value_and_strangers_annotations(scene):
    scene.sandbox.cluster.apply(secret(scene.value, annotations={"team": "blue"}))
    found = only(await scene.fleet.observe())
    record = record_of(scene.fresh)
    await scene.fleet.write(found, None, record)
    assert scene.secret()["data"][KEY] == encoded(scene.value)
    assert scene.secret()["metadata"]["annotations"]["team"] == "blue"
    again = only(await scene.fleet.observe())
    assert (again.record, again.drifted) == (record, True)


async def test_facts_that_a_new_record_does_not_have_are_deleted(scene):
    proven = replace(record_of(scene.fresh), verified_at=now(), restored_at=now())
    await scene.fleet.write(only(await scene.fleet.observe()), scene.fresh, proven)
    plain = record_of(scene.fresh, revision=2)
    await scene.fleet.write(only(await scene.fleet.observe()), None, plain)
    assert only(await scene.fleet.observe()).record == plain


async def test_a_write_to_what_changed_meanwhile_is_a_conflict(scene):
    found = only(await scene.fleet.observe())
    await scene.connection.patch(SECRET, {"metadata": {"labels": {"a": "b"}}}, "s")
    with pytest.raises(Conflict):
        await scene.fleet.write(found, scene.fresh, record_of(scene.fresh))
    with pytest.raises(Conflict):
        await scene.fleet.request(found, Request(now()))
    assert scene.secret()["data"][KEY] == encoded(f"GatewayKey {scene.value}")


async def test_a_write_from_an_older_look_than_the_last_is_a_conflict(scene):
    old = only(await scene.fleet.observe())
    await scene.connection.patch(SECRET, {"metadata": {"labels": {"a": "b"}}}, "s")
    await scene.fleet.observe()
    with pytest.raises(Conflict):
        await scene.fleet.write(old, scene.fresh, record_of(scene.fresh))


async def test_a_write_to_what_was_deleted_is_a_conflict(scene):
    found = only(await scene.fleet.observe())
    await scene.connection.call("DELETE", SECRET)
    with pytest.raises(Conflict, match="deleted"):
        await scene.fleet.write(found, None, record_of(scene.fresh))


async def test_a_request_is_noted_and_seen_with_one_call(scene):
    found = only(await scene.fleet.secrets())
    wish = Request(now(), leak=True, by="event 7")
    await scene.fleet.request(found, wish)
    before = len(calls(scene.sandbox))
    seen = await scene.fleet.secrets()
    assert only(seen).request == wish
    assert (only(seen).workloads, seen.lease) == ((), None)
    assert calls(scene.sandbox)[before:] == [f"GET {SECRET}"]


async def test_a_strangers_token_shows_as_drift_with_its_expiry(scene):
    await scene.fleet.write(only(await scene.fleet.observe()), scene.fresh, record_of(scene.fresh))
    put = {"data": {KEY: encoded(scene.value)}}
    await scene.connection.patch(SECRET, put, "s")
    found = only(await scene.fleet.observe())
    assert (found.drifted, found.fingerprint, found.expires_at) == (
        True,
        fingerprint(scene.value),
        in_days(9),
    )


async def test_a_token_is_found_with_its_value_in_one_call(scene):
    scene.sandbox.cluster.apply(secret(scene.fresh.value, "t"))
    fleet = fleet_of(scene.connection, target("s", "deployment/gw"), target("t", "deployment/gw"))
    await fleet.observe()
    before = len(calls(scene.sandbox))
    found = await fleet.find(scene.fresh.fingerprint)
    assert (found.value, found.expires_at) == (scene.fresh.value, scene.fresh.expires_at)
    assert calls(scene.sandbox)[before:] == [f"GET {paths.secret('default', 't')}"]


async def test_a_found_token_has_the_key_of_its_record(scene):
    await scene.fleet.write(only(await scene.fleet.observe()), scene.fresh, record_of(scene.fresh))
    found = await scene.fleet.find(scene.fresh.fingerprint)
    assert (found.key, found.fingerprint) == (Key.SECONDARY, scene.fresh.fingerprint)


async def test_a_token_that_nobody_holds_is_not_found(scene):
    scene.sandbox.cluster.apply(secret("<token>", "t"))
    fleet = fleet_of(scene.connection, target("s"), target("t"), target("missing"))
    assert await fleet.find("0123456789ab") is None


@pytest.mark.parametrize("what", ["/secrets/s", "/deployments/gw"])
async def test_annotations_that_admission_takes_away_are_told_and_not_written_for_ever(scene, what):
    """A webhook or policy may change what is written, and the server still answers 200."""
    seen = only(await scene.fleet.observe())
    was = scene.secret() if "secrets" in what else scene.sandbox.cluster.get("Deployment", "default", "gw")
    answer = {"server": "kubernetes", "method": "PATCH", "path": what, "status": 200, "body": json.dumps(was)}
    scene.sandbox.faults.add(action="status", **answer)
    with pytest.raises(
        Refused, match=r"took away what was written \(.*apim-token-rotator/.*policy"
    ) as refused:
        if "secrets" in what:
            await scene.fleet.write(seen, scene.fresh, record_of(scene.fresh))
        else:
            await scene.fleet.restart(seen, seen.workloads[0], scene.fresh.fingerprint)
    assert scene.fresh.value not in str(refused.value)
