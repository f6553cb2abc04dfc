from __future__ import annotations

from datetime import timedelta

import pytest

from rotator.errors import Refused, Unavailable
from rotator.kube.client import paths
from tests.kube.scene import (
    deployment,
    forbidden,
    in_days,
    only_target,
    only_unobserved,
    running,
    secret,
    target,
    target_store,
)

SECRET = paths.secret("default", "s")


@pytest.mark.parametrize(
    ("manifest", "settings", "why"),
    [
        (secret("<t>"), target("missing"), "kubectl -n default create secret generic missing"),
        (secret("hunter2"), target(), "holds a value that is not a gateway token"),
        (secret("<t>"), target(key="nowhere"), "has no key nowhere"),
        (secret("<t>", immutable=True), target(), "is immutable"),
        (secret(None), target(), "has an unknown format"),
    ],
)
async def test_a_secret_that_cannot_be_used_is_unobserved_with_a_remedy(scene, manifest, settings, why):
    scene.sandbox.cluster.apply(manifest)
    found = only_unobserved(await target_store(scene.connection, settings).observe())
    assert found.name == f"default/{settings.secret}"
    assert why in found.why


async def test_another_gateways_token_is_not_overwritten(scene):
    other = scene.sandbox.azure.add_gateway("gw2").mint("primary", in_days(9))
    scene.sandbox.cluster.apply(secret(other))
    assert "holds a token of gateway gw2, not of gw1" in only_unobserved(await scene.store.observe()).why


async def test_one_unobserved_target_does_not_hide_the_other(scene):
    observation = await target_store(scene.connection, target("missing"), target("s")).observe()
    assert ([each.name for each in observation.unreachable], [each.name for each in observation.targets]) == (
        ["default/missing"],
        ["default/s"],
    )


@pytest.mark.parametrize("resource", ["secrets", "deployments", "pods"])
async def test_a_target_that_may_not_be_read_is_unobserved_with_the_rule_to_grant(scene, resource):
    scene.sandbox.faults.add(
        server="kubernetes", path=f"/{resource}", action="status", status=403, body=forbidden(resource)
    )
    assert f'resources ["{resource}"]' in only_unobserved(await scene.store.observe()).why


async def test_a_lease_that_may_not_be_read_is_refused(scene):
    scene.sandbox.faults.add(
        server="kubernetes", path="/leases", action="status", status=403, body=forbidden("leases")
    )
    with pytest.raises(Refused, match="leases"):
        await scene.store.observe()


@pytest.mark.parametrize("resource", ["secrets", "deployments", "pods", "leases"])
@pytest.mark.parametrize(
    "fault",
    [
        {"action": "status", "status": 429, "retry_after": 3},
        {"action": "status", "status": 500},
        {"action": "reset"},
    ],
)
async def test_an_observation_that_the_server_does_not_answer_is_unavailable(scene, resource, fault):
    scene.sandbox.faults.add(server="kubernetes", path=f"/{resource}", times=None, **fault)
    with pytest.raises(Unavailable) as failed:
        await scene.store.observe()
    assert failed.value.retry_after == (timedelta(seconds=3) if "retry_after" in fault else None)


@pytest.mark.parametrize("resource", ["secrets", "deployments", "pods", "leases"])
async def test_an_observation_that_hangs_is_given_up(scene, connect, resource):
    store = target_store(await connect(call_timeout=0.5))
    scene.sandbox.faults.add(server="kubernetes", path=f"/{resource}", action="hang")
    with pytest.raises(Unavailable, match="did not answer"):
        await store.observe()


@pytest.mark.parametrize(
    ("workloads", "misconfiguration"),
    [
        (("deployment/missing",), "deployment/missing does not exist in namespace default"),
        (("deployment/gw", "daemonset/missing"), "daemonset/missing does not exist"),
        (
            ("deployment/unrelated",),
            "deployment/unrelated does not read key config.service.auth.key of Secret s",
        ),
        (("deployment/missing", "deployment/idle"), "workloads`; no pod runs"),
        (("deployment/idle",), "no pod runs, so nothing proves the token: deployment/idle is scaled to zero"),
    ],
)
async def test_a_workload_that_can_never_prove_the_token_is_a_misconfiguration(
    scene, workloads, misconfiguration
):
    scene.sandbox.cluster.apply(secret("unrelated", "another"))
    await running(scene.sandbox, deployment("unrelated", of="another"), deployment("idle", replicas=0))
    found = only_target(await target_store(scene.connection, target("s", *workloads)).observe())
    assert misconfiguration in found.misconfiguration
    assert all(workload.name in {"deployment/gw", "deployment/idle"} for workload in found.workloads)


async def test_a_secret_that_no_workload_reads_is_a_misconfiguration(scene):
    scene.sandbox.cluster.apply(secret(scene.value, "t"))
    found = only_target(await target_store(scene.connection, target("t")).observe())
    assert (
        "no workload in namespace default reads key config.service.auth.key of Secret t"
        in found.misconfiguration
    )
