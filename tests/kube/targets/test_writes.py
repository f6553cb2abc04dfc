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
from tests.kube.objects import encoded
from tests.kube.scene import (
    KEY,
    calls,
    in_days,
    now,
    only_target,
    record_of,
    secret,
    target,
    target_store,
)

SECRET = paths.secret("default", "s")


async def test_what_is_written_is_seen_again(scene):
    record = record_of(scene.fresh)
    await scene.store.write(only_target(await scene.store.observe()), scene.fresh, record)
    found = only_target(await scene.store.observe())
    assert (found.fingerprint, found.expires_at) == (scene.fresh.fingerprint, scene.fresh.expires_at)
    assert (found.record, found.drifted) == (record, False)
    assert scene.secret()["data"] == {
        KEY: encoded(f"GatewayKey {scene.fresh.value}"),
        "other": encoded("kept"),
    }


async def test_a_bare_value_stays_bare(scene):
    scene.sandbox.cluster.apply(secret(scene.value))
    await scene.store.write(only_target(await scene.store.observe()), scene.fresh, record_of(scene.fresh))
    assert scene.secret()["data"][KEY] == encoded(scene.fresh.value)


async def test_a_bare_token_that_was_removed_is_restored_as_it_was(scene):
    """As by a tool that writes the whole data: the key is gone, and with it what showed the form."""
    cluster, store = scene.sandbox.cluster, target_store(scene.connection)
    cluster.apply(secret(scene.value) | {"data": {"odd": encoded(scene.value), "other": encoded("kept")}})
    await store.write(only_target(await store.observe()), scene.fresh, record_of(scene.fresh))
    cluster.patch("Secret", "default", "s", {"data": {"odd": None}}, "some-tool")
    found = only_target(await store.observe())
    assert found.drifted
    await store.write(found, scene.fresh, found.record)
    assert scene.secret()["data"] == {"odd": encoded(scene.fresh.value), "other": encoded("kept")}


async def test_an_empty_secret_is_filled_with_the_prefix(scene):
    scene.sandbox.cluster.apply(secret(None))
    store = target_store(scene.connection, target("s", "deployment/gw", key=KEY))
    found = only_target(await store.observe())
    assert (found.fingerprint, found.expires_at) == (None, None)
    await store.write(found, scene.fresh, record_of(scene.fresh))
    assert scene.secret()["data"] == {KEY: write_value(scene.fresh.value, prefixed=True)}


async def test_a_record_alone_leaves_the_value_and_other_writers_annotations(scene):
    scene.sandbox.cluster.apply(secret(scene.value, annotations={"team": "blue"}))
    found = only_target(await scene.store.observe())
    record = record_of(scene.fresh)
    await scene.store.write(found, None, record)
    assert scene.secret()["data"][KEY] == encoded(scene.value)
    assert scene.secret()["metadata"]["annotations"]["team"] == "blue"
    again = only_target(await scene.store.observe())
    assert (again.record, again.drifted) == (record, True)


async def test_facts_that_a_new_record_does_not_have_are_deleted(scene):
    proven = replace(record_of(scene.fresh), verified_at=now(), restored_at=now())
    await scene.store.write(only_target(await scene.store.observe()), scene.fresh, proven)
    plain = record_of(scene.fresh, revision=2)
    await scene.store.write(only_target(await scene.store.observe()), None, plain)
    assert only_target(await scene.store.observe()).record == plain


async def test_a_write_to_what_changed_meanwhile_is_a_conflict(scene):
    found = only_target(await scene.store.observe())
    await scene.connection.patch(SECRET, {"metadata": {"labels": {"a": "b"}}}, "s")
    with pytest.raises(Conflict):
        await scene.store.write(found, scene.fresh, record_of(scene.fresh))
    with pytest.raises(Conflict):
        await scene.store.request(found, Request(now()))
    assert scene.secret()["data"][KEY] == encoded(f"GatewayKey {scene.value}")


async def test_a_write_from_an_older_observation_than_the_last_is_a_conflict(scene):
    old = only_target(await scene.store.observe())
    await scene.connection.patch(SECRET, {"metadata": {"labels": {"a": "b"}}}, "s")
    await scene.store.observe()
    with pytest.raises(Conflict):
        await scene.store.write(old, scene.fresh, record_of(scene.fresh))


async def test_a_write_to_what_was_deleted_is_a_conflict(scene):
    found = only_target(await scene.store.observe())
    await scene.connection.call("DELETE", SECRET)
    with pytest.raises(Conflict, match="deleted"):
        await scene.store.write(found, None, record_of(scene.fresh))


async def test_a_request_is_noted_and_seen_with_one_call(scene):
    found = only_target(await scene.store.secrets())
    wish = Request(now(), leak=True, by="event 7")
    await scene.store.request(found, wish)
    before = len(calls(scene.sandbox))
    observation = await scene.store.secrets()
    assert only_target(observation).request == wish
    assert (only_target(observation).workloads, observation.lease) == ((), None)
    assert calls(scene.sandbox)[before:] == [f"GET {SECRET}"]


async def test_another_writers_token_shows_as_drift_with_its_expiry(scene):
    await scene.store.write(only_target(await scene.store.observe()), scene.fresh, record_of(scene.fresh))
    put = {"data": {KEY: encoded(scene.value)}}
    await scene.connection.patch(SECRET, put, "s")
    found = only_target(await scene.store.observe())
    assert (found.drifted, found.fingerprint, found.expires_at) == (
        True,
        fingerprint(scene.value),
        in_days(9),
    )


async def test_a_token_is_found_with_its_value_in_one_call(scene):
    scene.sandbox.cluster.apply(secret(scene.fresh.value, "t"))
    store = target_store(scene.connection, target("s", "deployment/gw"), target("t", "deployment/gw"))
    await store.observe()
    before = len(calls(scene.sandbox))
    found = await store.find(scene.fresh.fingerprint)
    assert (found.value, found.expires_at) == (scene.fresh.value, scene.fresh.expires_at)
    assert calls(scene.sandbox)[before:] == [f"GET {paths.secret('default', 't')}"]


async def test_a_found_token_has_the_key_of_its_record(scene):
    await scene.store.write(only_target(await scene.store.observe()), scene.fresh, record_of(scene.fresh))
    found = await scene.store.find(scene.fresh.fingerprint)
    assert (found.key, found.fingerprint) == (Key.SECONDARY, scene.fresh.fingerprint)


async def test_a_token_that_no_secret_holds_is_not_found(scene):
    scene.sandbox.cluster.apply(secret("<token>", "t"))
    store = target_store(scene.connection, target("s"), target("t"), target("missing"))
    assert await store.find("0123456789ab") is None


@pytest.mark.parametrize("what", ["/secrets/s", "/deployments/gw"])
async def test_annotations_that_admission_drops_are_told_and_not_written_for_ever(scene, what):
    """A webhook or policy may change what is written, and the server still answers 200."""
    observation = only_target(await scene.store.observe())
    was = scene.secret() if "secrets" in what else scene.sandbox.cluster.get("Deployment", "default", "gw")
    answer = {"server": "kubernetes", "method": "PATCH", "path": what, "status": 200, "body": json.dumps(was)}
    scene.sandbox.faults.add(action="status", **answer)
    with pytest.raises(Refused, match=r"dropped part of it \(.*apim-token-rotator/.*policy") as refused:
        if "secrets" in what:
            await scene.store.write(observation, scene.fresh, record_of(scene.fresh))
        else:
            await scene.store.restart(observation, observation.workloads[0], scene.fresh.fingerprint)
    assert scene.fresh.value not in str(refused.value)
