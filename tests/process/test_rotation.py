"""A real daemon process rotates real-shaped gateways over real HTTP."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.process.process_env import LAYOUTS, WAIT_TIMEOUT, ProcessEnv, fetch, run_ended

pytestmark = pytest.mark.process


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_a_near_expiry_event_rotates_each_layout(env: ProcessEnv, layout: str) -> None:
    await env.deploy("oslo", layout, replicas=2)
    async with env.daemon() as daemon:
        await env.adopted("oslo")
        await env.deliver_near_expiry("oslo", daemon, count=2)
        await env.verified_at("oslo", 1)
        line = await daemon.line(lambda x: run_ended("oslo")(x) and "Issue" in x["steps"], WAIT_TIMEOUT)
    await env.pods_run_the_secrets_token("oslo")
    assert len(env.minted("oslo")) == 1 and env.rollouts("oslo") == 2
    assert (line["result"], line["reason"], line["key"]) == ("rotated", "Requested", "secondary")
    assert line["causes"] == ["NearExpiry"] and line["to"] == env.notes("oslo")["fingerprint"]


async def test_the_schedule_rotates_a_token_that_nears_its_expiry(env: ProcessEnv) -> None:
    await env.deploy("oslo", days=3)
    async with env.daemon():
        await env.verified_at("oslo", 1)
    await env.pods_run_the_secrets_token("oslo")


async def test_an_expired_token_is_replaced_without_a_request(env: ProcessEnv) -> None:
    await env.deploy("oslo", days=-1)
    async with env.daemon() as daemon:
        await env.verified_at("oslo", 1)
        line = await daemon.line(run_ended("oslo"), WAIT_TIMEOUT)
    assert line["reason"] in {"Expired", "Missing"}
    await env.pods_run_the_secrets_token("oslo")


async def test_rotate_now_rotates_in_this_process_and_tells_how_it_went(env: ProcessEnv) -> None:
    await env.deploy("oslo", replicas=2)
    code, out, err = await env.command("rotate-now", "oslo")
    assert (code, err) == (0, "")
    old, new = env.gateways["oslo"].token_fingerprint, env.notes("oslo")["fingerprint"]
    assert "oslo: Issue (Requested)" in out
    assert f"oslo: Rotated: {old} → {new} on the secondary key" in out and "every pod runs it" in out
    await env.pods_run_the_secrets_token("oslo")


async def test_rotate_now_again_is_a_repetition_unless_forced(env: ProcessEnv) -> None:
    await env.deploy("oslo")
    assert (await env.command("rotate-now", "--all"))[0] == 0
    code, out, _ = await env.command("rotate-now", "--all")
    assert code == 0 and "Skipped" in out and len(env.minted("oslo")) == 1
    assert (await env.command("rotate-now", "--all", "--force"))[0] == 0
    assert len(env.minted("oslo")) == 2 and env.notes("oslo")["key"] == "primary"


async def test_looking_writes_nothing(env: ProcessEnv) -> None:
    await env.deploy("oslo", days=3)
    for words in (("plan",), ("status",), ("rotate-now", "oslo", "--dry-run")):
        code, out, err = await env.command(*words)
        assert code in {0, 1} and "oslo" in out and err == "", words
    assert env.writes() == [("POST", p) for m, p in env.writes() if m == "POST" and "generateToken" in p]
    assert env.notes("oslo") == {}


async def test_status_as_json_is_for_scripts(env: ProcessEnv) -> None:
    await env.deploy("oslo", "portal")
    await env.command("rotate-now", "oslo")
    code, out, _ = await env.command("status", "-o", "json")
    (gateway,) = json.loads(out)["gateways"]
    assert code == 0 and gateway["state"] == "Settled"
    assert gateway["token"]["fingerprint"] == env.notes("oslo")["fingerprint"]
    assert gateway["targets"][0]["workloads"][0]["working"] == 1


async def test_status_without_a_terminal_is_one_line_per_gateway(env: ProcessEnv) -> None:
    await env.deploy("oslo")
    await env.command("rotate-now", "oslo")
    code, out, _ = await env.command("status")
    head, line = (text.split("  ") for text in out.splitlines())
    assert code == 0 and head[0] == "GATEWAY" and line[0] == "oslo"
    assert env.notes("oslo")["fingerprint"] in out and "1/1" in out


async def test_kubectl_describe_tells_the_story(env: ProcessEnv) -> None:
    await env.deploy("oslo")
    await env.command("rotate-now", "oslo")
    events = [
        e for e in env.sandbox.cluster.list("Event") if e["source"].get("component") == "apim-token-rotator"
    ]
    told = {(e["involvedObject"]["kind"], e["type"], e["reason"]) for e in events}
    assert told == {
        ("Secret", "Normal", "Adopted"),
        ("Secret", "Normal", "Requested"),
        ("Deployment", "Normal", "Outdated"),
        ("Secret", "Normal", "Proven"),
    }


async def test_a_request_left_for_the_service_is_done_by_it(env: ProcessEnv) -> None:
    await env.deploy("oslo")
    code, out, _ = await env.command("rotate-now", "oslo", "--no-wait")
    assert code == 0 and "Requested" in out and "requested-at" in env.notes("oslo")
    async with env.daemon():
        await env.verified_at("oslo", 1)


async def test_a_second_rotation_while_the_service_is_at_it_waits_and_follows(env: ProcessEnv) -> None:
    await env.deploy("oslo")
    async with env.daemon() as daemon:
        await env.adopted("oslo")
        hold = env.sandbox.faults.add(server="arm", path="generateToken", action="hang")
        await env.deliver_near_expiry("oslo", daemon)
        await hold.hit()
        command, out = await env.start(env.config, "rotate-now", "oslo"), ""
        assert command.stdout
        async for line in command.stdout:
            out += line.decode()
            if "rotator-0 works on this gateway" in out:
                env.sandbox.faults.clear()
        assert await command.wait() == 0
    assert "rotator-0 works on this gateway" in out
    old, new = env.gateways["oslo"].token_fingerprint, env.notes("oslo")["fingerprint"]
    assert f"Rotated: {old} → {new}" in out
    assert len(env.minted("oslo")) <= 2 and env.rollouts("oslo") == 2
    await env.pods_run_the_secrets_token("oslo")


async def test_sigterm_finishes_the_step_under_way_and_leaves_in_peace(env: ProcessEnv) -> None:
    await env.deploy("oslo")
    async with env.daemon() as daemon:
        await env.adopted("oslo")
        slow = env.sandbox.faults.add(server="arm", path="generateToken", action="latency", seconds=1)
        await env.deliver_near_expiry("oslo", daemon)
        await slow.hit()
        code = await daemon.stop()
    assert code == 0
    assert env.notes("oslo")["revision"] == "1" and "verified-at" not in env.notes("oslo")
    assert env.rollouts("oslo") == 1
    async with env.daemon():
        await env.verified_at("oslo", 1)
    await env.pods_run_the_secrets_token("oslo")


async def test_a_rollout_that_hangs_is_told_and_heals_by_itself(env: ProcessEnv) -> None:
    env.settings = 'rollout_timeout = "2s"\nrecheck = "1s"\nroll_back = false'
    d = await env.deploy("oslo", replicas=2)
    env.sandbox.cluster.set_pod_fault(d.namespace, d.workload.partition("/")[2] or d.workload, "crash-loop")
    code, _, err = await env.command("rotate-now", "oslo")
    assert code == 1 and "Unsettled" in err
    assert "CrashLoopBackOff" in err or "not every pod works" in err or "new pods" in err
    async with env.daemon() as daemon:
        await daemon.line(lambda x: x["event"] == "step" and x["step"] == "Rest", WAIT_TIMEOUT)
        status, page = await fetch(daemon, "/api/v1/gateways")
        assert status == 200 and json.loads(page)["gateways"][0]["state"] == "Unsettled"
        env.sandbox.cluster.set_pod_fault(d.namespace, d.workload.partition("/")[2] or d.workload, None)
        await env.verified_at("oslo", 1)
    await env.pods_run_the_secrets_token("oslo")


async def test_the_internal_port_shows_health_metrics_and_state(env: ProcessEnv) -> None:
    await env.deploy("oslo", days=3)
    async with env.daemon() as daemon:
        await env.verified_at("oslo", 1)
        await daemon.line(run_ended("oslo"), WAIT_TIMEOUT)
        assert (await fetch(daemon, "/healthz"))[0] == 200
        assert json.loads((await fetch(daemon, "/readyz"))[1])["ready"] is True
        metrics = (await fetch(daemon, "/metrics"))[1]
        assert (
            'rotator_rotations_total{gateway="oslo",reason="NearingExpiry",result="rotated"} 1.0' in metrics
        )
        assert 'rotator_gateway_settled{gateway="oslo"} 1.0' in metrics
        assert (await fetch(daemon, "/metrics", "webhook"))[0] == 404


async def test_three_gateways_rotate_at_the_same_time(env: ProcessEnv) -> None:
    for name, layout in zip(("oslo", "bergen", "tromso"), LAYOUTS, strict=True):
        await env.deploy(name, layout, days=3)
    async with env.daemon():
        await asyncio.gather(*(env.verified_at(g, 1) for g in env.gateways))
    for gateway in env.gateways:
        await env.pods_run_the_secrets_token(gateway)


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
async def test_stateful_sets_and_daemon_sets_are_rolled_too(env: ProcessEnv, kind: str) -> None:
    await env.deploy("oslo", replicas=2)
    await env.turn_into("oslo", kind)
    code, out, err = await env.command("rotate-now", "oslo")
    assert (code, err) == (0, "") and f"{kind.lower()}/apim-gateway" in out
    await env.pods_run_the_secrets_token("oslo")


async def test_one_gateway_in_two_places_gets_one_token_and_restarts_one_place_at_a_time(
    env: ProcessEnv,
) -> None:
    first = await env.deploy("oslo", replicas=2)
    await env.deploy_again("oslo", "apim-oslo-2", replicas=2)
    code, out, err = await env.command("rotate-now", "oslo")
    assert (code, err) == (0, "")
    assert len(env.minted("oslo")) == 1
    for namespace in (first.namespace, "apim-oslo-2"):
        secret = env.sandbox.cluster.get("Secret", namespace, first.secret)
        assert secret and secret["metadata"]["annotations"]["apim-token-rotator/fingerprint"] in env.minted(
            "oslo"
        )
    steps = [line.split()[1] for line in out.splitlines() if "Await" not in line]
    assert steps[-7:] == ["Issue", "Write", "Restart", "Verify", "Restart", "Verify", "Rotated:"]
    assert {p.fingerprint for p in await env.sandbox.pods()} == env.minted("oslo")


async def test_a_secret_set_back_by_helm_is_put_right_without_a_restart(env: ProcessEnv) -> None:
    d = await env.deploy("oslo", replicas=2)
    old = env.sandbox.cluster.get("Secret", d.namespace, d.secret)
    async with env.daemon() as daemon:
        await env.adopted("oslo")
        await env.deliver_near_expiry("oslo", daemon)
        await env.verified_at("oslo", 1)
        await daemon.line(lambda x: run_ended("oslo")(x) and "Issue" in x["steps"], WAIT_TIMEOUT)
    assert old
    env.sandbox.cluster.patch("Secret", d.namespace, d.secret, {"data": old["data"]})
    pods = {p.name for p in await env.sandbox.pods()}
    async with env.daemon() as daemon:
        line = await daemon.line(run_ended("oslo"), WAIT_TIMEOUT)
    assert line["reason"] == "Drifted" and "Restart" not in line["steps"]
    new = env.sandbox.cluster.get("Secret", d.namespace, d.secret)
    assert new and new["data"] != old["data"]
    assert {p.name for p in await env.sandbox.pods()} == pods and env.rollouts("oslo") == 2


async def test_a_placeholder_is_filled_with_a_token(env: ProcessEnv) -> None:
    """The vendor's manifest applied as it is: the gateway has never had a token."""
    d = await env.deploy("oslo")
    env.sandbox.cluster.patch(
        "Secret", d.namespace, d.secret, {"stringData": {d.key: "<configuration-token>"}}
    )
    async with env.daemon() as daemon:
        await env.verified_at("oslo", 1)
        line = await daemon.line(run_ended("oslo"), WAIT_TIMEOUT)
    assert (line["reason"], line["from"]) == ("Missing", None)
    await env.pods_run_the_secrets_token("oslo")


async def test_a_rotate_now_that_failed_goes_on_when_it_is_run_again(env: ProcessEnv) -> None:
    await env.deploy("oslo")
    assert (await env.command("rotate-now", "oslo"))[0] == 0
    env.sandbox.faults.add(server="arm", method="POST", action="status", status=500, times=None)
    code, _, err = await env.command("rotate-now", "oslo", "--force")
    assert code == 3 and "The request stands" in err
    env.sandbox.faults.clear()
    code, out, _ = await env.command("rotate-now", "oslo")
    assert code == 0 and "Rotated" in out and len(env.minted("oslo")) == 2
    await env.pods_run_the_secrets_token("oslo")


async def test_a_mistyped_resource_id_is_told_before_the_first_rotation(env: ProcessEnv) -> None:
    await env.deploy("oslo")
    wrong = env.directory / "wrong.toml"
    wrong.write_text(env.config.read_text().replace("/service/contoso/", "/service/fabrikam/"))
    for words in (("plan",), ("rotate-now", "oslo", "--dry-run")):
        code, out, err = await env.command_with(wrong, *words)
        assert code == 3 and "fabrikam" in out + err, words
    assert env.notes("oslo") == {}


async def test_a_missing_workload_is_unsettled_from_the_first_look(env: ProcessEnv) -> None:
    await env.deploy("oslo")
    env.extra["oslo"] = 'workloads = ["deployment/nope"]'
    for words in (("plan",), ("status",), ("rotate-now", "oslo", "--dry-run"), ("rotate-now", "oslo")):
        code, out, err = await env.command(*words)
        assert code == 1 and "deployment/nope does not exist" in out + err, words
