from __future__ import annotations

from rotator.core.access_token import fingerprint
from rotator.kube.client import paths
from tests.kube.scene import (
    calls,
    deployment,
    in_days,
    only_target,
    only_workload,
    record_of,
    running,
    secret,
    target,
    target_store,
)

SECRET = paths.secret("default", "s")


async def test_a_gateway_that_was_never_touched_is_seen_as_it_is(scene):
    observation = await scene.store.observe()
    found = only_target(observation)
    assert (found.name, found.fingerprint, found.expires_at) == (
        "default/s",
        fingerprint(scene.value),
        in_days(9),
    )
    assert (found.record, found.request, found.misconfiguration, found.prefixed) == (None, None, "", True)
    assert (observation.lease, observation.restores) == (None, 0)
    gw = only_workload(observation)
    assert (gw.name, gw.template_token, gw.restarted_at, gw.failed, gw.idle) == (
        "deployment/gw",
        None,
        None,
        False,
        False,
    )
    assert gw.healthy
    assert len(gw.pods) == 2


async def test_observing_a_named_workload_takes_four_calls(scene):
    before = len(calls(scene.sandbox))
    await scene.store.observe()
    assert sorted(calls(scene.sandbox)[before:]) == [
        "GET /api/v1/namespaces/default/pods",
        "GET /api/v1/namespaces/default/secrets/s",
        "GET /apis/apps/v1/namespaces/default/deployments/gw",
        "GET /apis/coordination.k8s.io/v1/namespaces/default/leases/apim-token-rotator-gw1",
    ]


async def test_workloads_that_are_not_named_are_found_by_what_they_read(scene):
    scene.sandbox.cluster.apply(secret("unrelated", "another"))
    await running(scene.sandbox, deployment("second"), deployment("unrelated", of="another"))
    observation = await target_store(scene.connection, target()).observe()
    assert {workload.name: len(workload.pods) for workload in only_target(observation).workloads} == {
        "deployment/gw": 2,
        "deployment/second": 2,
    }


async def test_a_pod_that_only_looks_like_the_workloads_is_not_counted(scene):
    pod = deployment()["spec"]["template"]
    alike = {"name": "alike", "namespace": "default", "labels": pod["metadata"]["labels"]}
    scene.sandbox.cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": alike, "spec": pod["spec"]})
    assert "alike" not in {pod.name for pod in only_workload(await scene.store.observe()).pods}


async def test_targets_that_share_a_namespace_share_the_lists(scene):
    scene.sandbox.cluster.apply(secret(scene.value, "t"))
    await running(scene.sandbox, deployment("second", of="t"))
    before = len(calls(scene.sandbox))
    observation = await target_store(scene.connection, target("s"), target("t")).observe()
    asked = calls(scene.sandbox)[before:]
    assert [each.name for each in observation.targets] == ["default/s", "default/t"]
    assert len(asked) == 2 + 3 + 2 + 1  # Secrets, lists of workloads, lists of pods, the Lease
    assert sum(call.endswith("/deployments") for call in asked) == 1


async def test_events_know_what_they_are_about(scene):
    assert scene.store.reference("default/s") is None
    await scene.store.observe()
    about = scene.store.reference("default/s", "deployment/gw")
    uid = scene.sandbox.cluster.get("Deployment", "default", "gw")["metadata"]["uid"]
    assert (about.kind, about.api_version, about.name, about.uid) == ("Deployment", "apps/v1", "gw", uid)
    assert scene.store.reference("default/s").uid == scene.secret()["metadata"]["uid"]
    assert scene.store.reference("default/s", "deployment/other") is None
    assert scene.store.reference("default/other") is None


async def test_a_record_that_cannot_be_read_counts_as_none(scene, caplog):
    await scene.store.write(only_target(await scene.store.observe()), scene.fresh, record_of(scene.fresh))
    spoilt = {"metadata": {"annotations": {"apim-token-rotator/revision": "x"}}}
    await scene.connection.patch(SECRET, spoilt, "s")
    found = only_target(await scene.store.observe())
    assert (found.record, found.fingerprint) == (None, scene.fresh.fingerprint)
    assert "Secret default/s: another writer spoilt the rotator's annotations" in caplog.text
