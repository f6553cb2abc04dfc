"""What goes wrong at 3 a.m., on real processes: leaks, failed rollouts, conflicts with other writers, keys regenerated elsewhere, freezes."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest

from sandbox.azure.events import expired
from sandbox.demo.process import Daemon
from sandbox.names import HOME
from tests.process import default_settings
from tests.process.daemon_probes import metric
from tests.process.multi_cluster_env import MultiClusterEnv
from tests.process.process_env import WAIT_TIMEOUT, port, run_ended

pytestmark = pytest.mark.process
Json = dict[str, Any]


def broken(multi_env: MultiClusterEnv, gateway: str, behaviour: str | None = "never-ready") -> None:
    place = multi_env.place(gateway, HOME)
    multi_env.cluster().set_pod_fault(place.namespace, place.workload.partition("/")[2], behaviour)


async def rest(daemon: Daemon, reason: str) -> Json:
    return await daemon.line(lambda x: x.get("step") == "Rest" and x.get("reason") == reason, WAIT_TIMEOUT)


async def run(multi_env: MultiClusterEnv, *words: str) -> tuple[int, str]:
    process = await multi_env.tool(*words)
    out, err = await process.communicate()
    return process.returncode or 0, out.decode() + err.decode()


async def test_a_leaked_token_is_dead_in_every_cluster_after_one_command(multi_env: MultiClusterEnv) -> None:
    old, *_ = await multi_env.deploy_in("oslo", HOME, "harbour")
    multi_env.settings = default_settings.FREEZE
    async with multi_env.replicas(0):
        await multi_env.adopted("oslo")
        code, said = await run(multi_env, "rotate-now", "oslo", "--revoke-previous")
    assert code == 0, said
    assert "the tokens of the key before are dead" in said
    assert multi_env.calls_of("regenerateKey", "oslo") == 1
    assert not [m for m in old.gateway.minted if m.fingerprint == old.token_fingerprint and alive(old, m)]
    for seen in (await multi_env.tokens_by_cluster("oslo")).values():
        assert {ok for _, ok in seen} == {True}
    assert "condemned" not in multi_env.notes("oslo")


def alive(place: Any, minted: Any) -> bool:
    return bool(place.gateway.generations[minted.key] == minted.generation)


async def test_a_leak_that_a_command_noted_is_ended_by_the_service(multi_env: MultiClusterEnv) -> None:
    await multi_env.deploy_in("oslo", HOME)
    multi_env.settings = default_settings.FAST_CHECKS
    async with multi_env.replicas(0) as (daemon,):
        await multi_env.adopted("oslo")
        code, _ = await run(multi_env, "rotate-now", "oslo", "--revoke-previous", "--no-wait")
        assert code == 0
        await daemon.line(lambda x: "Revoke" in x.get("steps", []), WAIT_TIMEOUT)
    assert multi_env.calls_of("regenerateKey", "oslo") == 1


async def test_an_identity_that_may_not_regenerate_keys_still_rotates(multi_env: MultiClusterEnv) -> None:
    (place,) = await multi_env.deploy_in("oslo", HOME)
    multi_env.sandbox.azure.denied.add("Microsoft.ApiManagement/service/gateways/regenerateKey/action")
    async with multi_env.replicas(0):
        await multi_env.adopted("oslo")
        code, said = await run(multi_env, "rotate-now", "oslo", "--revoke-previous")
    assert code == 3
    assert "regenerateKey/action" in said
    assert multi_env.notes("oslo")["fingerprint"] != place.token_fingerprint
    assert "verified-at" in multi_env.notes("oslo") and multi_env.notes("oslo")["condemned"] == "primary"


async def test_a_command_whose_rollout_fails_puts_the_old_token_back_and_says_so(
    multi_env: MultiClusterEnv,
) -> None:
    (place,) = await multi_env.deploy_in("oslo", HOME, replicas=2)
    multi_env.settings = default_settings.timing_out("2s")
    async with multi_env.replicas(0):
        await multi_env.adopted("oslo")
        broken(multi_env, "oslo")
        code, said = await run(multi_env, "rotate-now", "oslo")
    assert code == 5, said
    assert "RolledBack" in said
    assert multi_env.notes("oslo")["fingerprint"] == place.token_fingerprint
    assert await multi_env.tokens_by_cluster("oslo") == {HOME: {(place.token_fingerprint, True)}}


async def test_a_failed_rollout_is_reported_and_requested_again_when_it_is_repaired(
    multi_env: MultiClusterEnv,
) -> None:
    await multi_env.deploy_in("oslo", HOME, days=3)
    multi_env.settings = default_settings.timing_out("2s") + default_settings.FAST_CHECKS
    broken(multi_env, "oslo")
    async with multi_env.replicas(0) as (daemon,):
        line = await daemon.line(lambda x: x.get("result") == "rolled-back", WAIT_TIMEOUT)
        assert line["level"] == "error"
        assert await metric(
            daemon, 'rotator_rotations_total{gateway="oslo",reason="NearingExpiry",result="rolled-back"}'
        )
        events = multi_env.cluster().list("Event", "apim-oslo")
        assert "RolloutFailed" in {e["reason"] for e in events if e["type"] == "Warning"}
        broken(multi_env, "oslo", None)
        code, said = await run(multi_env, "rotate-now", "oslo", "--force")
        assert code == 0, said
    ((_, ok),) = (await multi_env.tokens_by_cluster("oslo"))[HOME]
    assert ok


async def test_a_tool_that_puts_the_token_back_is_named_and_left_alone(multi_env: MultiClusterEnv) -> None:
    (place,) = await multi_env.deploy_in("oslo", HOME)
    multi_env.settings = default_settings.FAST_CHECKS + default_settings.timing_out("1s")
    async with multi_env.replicas(0) as (daemon,):
        await multi_env.adopted("oslo")
        multi_env.sandbox.conflicting_writers.start(
            "Secret", place.namespace, place.secret, manager="argocd-controller"
        )
        await run(multi_env, "rotate-now", "oslo", "--no-wait")
        line = await rest(daemon, "Fighting")
        assert "argocd-controller" in line["why"] and "ignoreDifferences" in line["why"]
        assert await metric(daemon, 'rotator_gateway_fighting{gateway="oslo"}') == 1
    assert multi_env.rollouts("oslo") <= 2


async def test_a_tool_that_takes_the_mark_off_causes_no_storm(multi_env: MultiClusterEnv) -> None:
    (place,) = await multi_env.deploy_in("oslo", HOME)
    multi_env.settings = default_settings.FAST_CHECKS
    async with multi_env.replicas(0) as (daemon,):
        await multi_env.adopted("oslo")
        name = place.workload.partition("/")[2]
        multi_env.sandbox.conflicting_writers.start(
            "Deployment", place.namespace, name, what="template", manager="helm"
        )
        await run(multi_env, "rotate-now", "oslo", "--no-wait")
        line = await rest(daemon, "Fighting")
        assert "the pod template" in line["why"]
    assert sum("Restart" in str(x.get("step")) for x in daemon.lines if x["event"] == "step done") <= 4


async def test_a_key_regenerated_elsewhere_is_found_when_azure_refuses_its_token(
    multi_env: MultiClusterEnv,
) -> None:
    """TokenExpired long before the clock says so: ask who signs, and issue at once, even in a freeze."""
    (place,) = await multi_env.deploy_in("oslo", HOME)
    multi_env.settings = default_settings.FREEZE
    async with multi_env.replicas(0) as (daemon,):
        await daemon.line(run_ended("oslo"), WAIT_TIMEOUT)
        place.gateway.regenerate("primary")
        eventgrid = multi_env.sandbox.eventgrid
        await eventgrid.subscribe(f"http://127.0.0.1:{port(daemon, 'webhook')}/events")
        at = place.gateway.minted[0].expires_at
        await eventgrid.deliver([expired(place.gateway, at, "oslo-0")])
        line = await daemon.line(lambda x: x["event"] == "step" and x["step"] == "Issue", WAIT_TIMEOUT)
        assert line["reason"] == "Revoked"
        loud = await daemon.line(lambda x: x["event"] == "overridden", WAIT_TIMEOUT)
        assert loud["level"] == "warning" and "frozen" in loud["closed"]
        await multi_env.verified_at("oslo", 1)
    ((_, ok),) = (await multi_env.tokens_by_cluster("oslo"))[HOME]
    assert ok


async def test_a_freeze_holds_a_renewal_until_panic_and_then_is_loudly_overridden(
    multi_env: MultiClusterEnv,
) -> None:
    await multi_env.deploy_in("oslo", HOME, days=3)
    await multi_env.deploy_in("bergen", HOME, days=1)
    multi_env.settings = default_settings.FREEZE
    async with multi_env.replicas(0) as (daemon,):
        await multi_env.verified_at("bergen", 1)
        line = await daemon.line(lambda x: x.get("reason") == "Held" and x["gateway"] == "oslo", WAIT_TIMEOUT)
        assert "a new token (NearingExpiry) waits: frozen" in line["why"]
        assert await metric(daemon, 'rotator_gateway_held{gateway="oslo"}') == 1
        assert await metric(daemon, 'rotator_overrides_total{gateway="bergen",step="Issue"}') == 1
    assert multi_env.minted("oslo") == set()


async def test_a_command_in_a_freeze_says_that_it_is_held_and_force_goes_on(
    multi_env: MultiClusterEnv,
) -> None:
    await multi_env.deploy_in("oslo", HOME)
    multi_env.settings = default_settings.FREEZE
    async with multi_env.replicas(0):
        await multi_env.adopted("oslo")
        code, said = await run(multi_env, "rotate-now", "oslo")
        assert code == 1 and "Held" in said and "--force" in said, said
        code, said = await run(multi_env, "rotate-now", "oslo", "--force")
        assert code == 0, said
    assert len(multi_env.minted("oslo")) == 1


async def test_a_valid_token_of_another_writer_is_adopted_and_no_pod_restarts(
    multi_env: MultiClusterEnv,
) -> None:
    (place,) = await multi_env.deploy_in("oslo", HOME)
    async with multi_env.replicas(0):
        await multi_env.adopted("oslo")
    newer = place.gateway.mint("secondary", place.gateway.minted[0].expires_at + timedelta(days=5))
    value = base64.b64encode(f"GatewayKey {newer}".encode()).decode()
    key = next(iter(multi_env.secret(place)["data"]))
    multi_env.cluster().patch("Secret", place.namespace, place.secret, {"data": {key: value}}, "kubectl")
    async with multi_env.replicas(0) as (daemon,):
        await daemon.line(lambda x: run_ended("oslo")(x) and x["result"] == "adopted", WAIT_TIMEOUT)
    assert multi_env.rollouts("oslo") == 1
