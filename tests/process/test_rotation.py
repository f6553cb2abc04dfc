"""A real daemon process rotates real-shaped gateways over real HTTP."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.process.process_env import LAYOUTS, PATIENCE, Town, ended, fetch

pytestmark = pytest.mark.process


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_a_near_expiry_event_rotates_each_layout(town: Town, layout: str) -> None:
    await town.settle("oslo", layout, replicas=2)
    async with town.daemon() as daemon:
        await town.adopted("oslo")
        await town.complain("oslo", daemon, count=2)
        await town.rests_at("oslo", 1)
        line = await daemon.line(lambda x: ended("oslo")(x) and "Issue" in x["steps"], PATIENCE)
    await town.pods_run_the_secrets_token("oslo")
    assert len(town.minted("oslo")) == 1 and town.rollouts("oslo") == 2
    assert (line["result"], line["reason"], line["key"]) == ("rotated", "Requested", "secondary")
    assert line["causes"] == ["NearExpiry"] and line["to"] == town.notes("oslo")["fingerprint"]


async def test_the_schedule_rotates_a_token_that_nears_its_expiry(town: Town) -> None:
    await town.settle("oslo", days=3)
    async with town.daemon():
        await town.rests_at("oslo", 1)
    await town.pods_run_the_secrets_token("oslo")


async def test_an_expired_token_is_replaced_without_asking_anybody(town: Town) -> None:
    await town.settle("oslo", days=-1)
    async with town.daemon() as daemon:
        await town.rests_at("oslo", 1)
        line = await daemon.line(ended("oslo"), PATIENCE)
    assert line["reason"] in {"Expired", "Missing"}
    await town.pods_run_the_secrets_token("oslo")


async def test_rotate_now_rotates_in_this_process_and_tells_how_it_went(town: Town) -> None:
    await town.settle("oslo", replicas=2)
    code, out, err = await town.command("rotate-now", "oslo")
    assert (code, err) == (0, "")
    old, new = town.gateways["oslo"].token_fingerprint, town.notes("oslo")["fingerprint"]
    assert "oslo: Issue (Requested)" in out
    assert f"oslo: Rotated: {old} → {new} on the secondary key" in out and "every pod runs it" in out
    await town.pods_run_the_secrets_token("oslo")


async def test_rotate_now_again_is_a_repetition_unless_forced(town: Town) -> None:
    await town.settle("oslo")
    assert (await town.command("rotate-now", "--all"))[0] == 0
    code, out, _ = await town.command("rotate-now", "--all")
    assert code == 0 and "Skipped" in out and len(town.minted("oslo")) == 1
    assert (await town.command("rotate-now", "--all", "--force"))[0] == 0
    assert len(town.minted("oslo")) == 2 and town.notes("oslo")["key"] == "primary"


async def test_looking_writes_nothing(town: Town) -> None:
    await town.settle("oslo", days=3)
    for words in (("plan",), ("status",), ("rotate-now", "oslo", "--dry-run")):
        code, out, err = await town.command(*words)
        assert code in {0, 1} and "oslo" in out and err == "", words
    assert town.writes() == [("POST", p) for m, p in town.writes() if m == "POST" and "generateToken" in p]
    assert town.notes("oslo") == {}


async def test_status_as_json_is_for_scripts(town: Town) -> None:
    await town.settle("oslo", "portal")
    await town.command("rotate-now", "oslo")
    code, out, _ = await town.command("status", "-o", "json")
    (gateway,) = json.loads(out)["gateways"]
    assert code == 0 and gateway["state"] == "Settled"
    assert gateway["token"]["fingerprint"] == town.notes("oslo")["fingerprint"]
    assert gateway["targets"][0]["workloads"][0]["working"] == 1


async def test_status_without_a_terminal_is_one_line_per_gateway(town: Town) -> None:
    await town.settle("oslo")
    await town.command("rotate-now", "oslo")
    code, out, _ = await town.command("status")
    head, line = (text.split("  ") for text in out.splitlines())
    assert code == 0 and head[0] == "GATEWAY" and line[0] == "oslo"
    assert town.notes("oslo")["fingerprint"] in out and "1/1" in out


async def test_kubectl_describe_tells_the_story(town: Town) -> None:
    await town.settle("oslo")
    await town.command("rotate-now", "oslo")
    events = [
        e for e in town.sandbox.cluster.list("Event") if e["source"].get("component") == "apim-token-rotator"
    ]
    told = {(e["involvedObject"]["kind"], e["type"], e["reason"]) for e in events}
    assert told == {
        ("Secret", "Normal", "Adopted"),
        ("Secret", "Normal", "Requested"),
        ("Deployment", "Normal", "Outdated"),
        ("Secret", "Normal", "Proven"),
    }


async def test_a_request_left_for_the_service_is_done_by_it(town: Town) -> None:
    await town.settle("oslo")
    code, out, _ = await town.command("rotate-now", "oslo", "--no-wait")
    assert code == 0 and "Requested" in out and "requested-at" in town.notes("oslo")
    async with town.daemon():
        await town.rests_at("oslo", 1)


async def test_a_second_rotation_while_the_service_is_at_it_waits_and_follows(town: Town) -> None:
    await town.settle("oslo")
    async with town.daemon() as daemon:
        await town.adopted("oslo")
        hold = town.sandbox.faults.add(server="arm", path="generateToken", action="hang")
        await town.complain("oslo", daemon)
        await hold.hit()
        command, out = await town.start(town.config, "rotate-now", "oslo"), ""
        assert command.stdout
        async for line in command.stdout:
            out += line.decode()
            if "rotator-0 is at work on it" in out:
                town.sandbox.faults.clear()
        assert await command.wait() == 0
    assert "rotator-0 is at work on it" in out
    old, new = town.gateways["oslo"].token_fingerprint, town.notes("oslo")["fingerprint"]
    assert f"Rotated: {old} → {new}" in out
    assert len(town.minted("oslo")) <= 2 and town.rollouts("oslo") == 2
    await town.pods_run_the_secrets_token("oslo")


async def test_sigterm_finishes_the_step_under_way_and_leaves_in_peace(town: Town) -> None:
    await town.settle("oslo")
    async with town.daemon() as daemon:
        await town.adopted("oslo")
        slow = town.sandbox.faults.add(server="arm", path="generateToken", action="latency", seconds=1)
        await town.complain("oslo", daemon)
        await slow.hit()
        code = await daemon.leave()
    assert code == 0
    assert town.notes("oslo")["revision"] == "1" and "verified-at" not in town.notes("oslo")
    assert town.rollouts("oslo") == 1
    async with town.daemon():
        await town.rests_at("oslo", 1)
    await town.pods_run_the_secrets_token("oslo")


async def test_a_rollout_that_hangs_is_told_and_heals_by_itself(town: Town) -> None:
    town.settings = 'rollout_timeout = "2s"\nrecheck = "1s"\nroll_back = false'
    d = await town.settle("oslo", replicas=2)
    town.sandbox.cluster.sick(d.namespace, d.workload.partition("/")[2] or d.workload, "crash-loop")
    code, _, err = await town.command("rotate-now", "oslo")
    assert code == 1 and "Unsettled" in err
    assert "CrashLoopBackOff" in err or "not every pod works" in err or "new pods" in err
    async with town.daemon() as daemon:
        await daemon.line(lambda x: x["event"] == "step" and x["step"] == "Rest", PATIENCE)
        status, page = await fetch(daemon, "/api/v1/gateways")
        assert status == 200 and json.loads(page)["gateways"][0]["state"] == "Unsettled"
        town.sandbox.cluster.sick(d.namespace, d.workload.partition("/")[2] or d.workload, None)
        await town.rests_at("oslo", 1)
    await town.pods_run_the_secrets_token("oslo")


async def test_the_internal_port_shows_health_metrics_and_state(town: Town) -> None:
    await town.settle("oslo", days=3)
    async with town.daemon() as daemon:
        await town.rests_at("oslo", 1)
        await daemon.line(ended("oslo"), PATIENCE)
        assert (await fetch(daemon, "/healthz"))[0] == 200
        assert json.loads((await fetch(daemon, "/readyz"))[1])["ready"] is True
        metrics = (await fetch(daemon, "/metrics"))[1]
        assert (
            'rotator_rotations_total{gateway="oslo",reason="NearingExpiry",result="rotated"} 1.0' in metrics
        )
        assert 'rotator_gateway_settled{gateway="oslo"} 1.0' in metrics
        assert (await fetch(daemon, "/metrics", "webhook"))[0] == 404


async def test_three_gateways_rotate_at_the_same_time(town: Town) -> None:
    for name, layout in zip(("oslo", "bergen", "tromso"), LAYOUTS, strict=True):
        await town.settle(name, layout, days=3)
    async with town.daemon():
        await asyncio.gather(*(town.rests_at(g, 1) for g in town.gateways))
    for gateway in town.gateways:
        await town.pods_run_the_secrets_token(gateway)


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
async def test_stateful_sets_and_daemon_sets_are_rolled_too(town: Town, kind: str) -> None:
    await town.settle("oslo", replicas=2)
    await town.turn_into("oslo", kind)
    code, out, err = await town.command("rotate-now", "oslo")
    assert (code, err) == (0, "") and f"{kind.lower()}/apim-gateway" in out
    await town.pods_run_the_secrets_token("oslo")


async def test_one_gateway_in_two_places_gets_one_token_and_restarts_one_place_at_a_time(town: Town) -> None:
    first = await town.settle("oslo", replicas=2)
    await town.settle_again("oslo", "apim-oslo-2", replicas=2)
    code, out, err = await town.command("rotate-now", "oslo")
    assert (code, err) == (0, "")
    assert len(town.minted("oslo")) == 1
    for namespace in (first.namespace, "apim-oslo-2"):
        secret = town.sandbox.cluster.get("Secret", namespace, first.secret)
        assert secret and secret["metadata"]["annotations"]["apim-token-rotator/fingerprint"] in town.minted(
            "oslo"
        )
    steps = [line.split()[1] for line in out.splitlines() if "Await" not in line]
    assert steps[-7:] == ["Issue", "Write", "Restart", "Verify", "Restart", "Verify", "Rotated:"]
    assert {p.fingerprint for p in await town.sandbox.pods()} == town.minted("oslo")


async def test_a_secret_set_back_by_helm_is_put_right_without_a_restart(town: Town) -> None:
    d = await town.settle("oslo", replicas=2)
    old = town.sandbox.cluster.get("Secret", d.namespace, d.secret)
    async with town.daemon() as daemon:
        await town.adopted("oslo")
        await town.complain("oslo", daemon)
        await town.rests_at("oslo", 1)
        await daemon.line(lambda x: ended("oslo")(x) and "Issue" in x["steps"], PATIENCE)
    assert old
    town.sandbox.cluster.patch("Secret", d.namespace, d.secret, {"data": old["data"]})
    pods = {p.name for p in await town.sandbox.pods()}
    async with town.daemon() as daemon:
        line = await daemon.line(ended("oslo"), PATIENCE)
    assert line["reason"] == "Drifted" and "Restart" not in line["steps"]
    new = town.sandbox.cluster.get("Secret", d.namespace, d.secret)
    assert new and new["data"] != old["data"]
    assert {p.name for p in await town.sandbox.pods()} == pods and town.rollouts("oslo") == 2


async def test_a_placeholder_is_filled_with_a_token(town: Town) -> None:
    """The vendor's manifest applied as it is: the gateway has never had a token."""
    d = await town.settle("oslo")
    town.sandbox.cluster.patch(
        "Secret", d.namespace, d.secret, {"stringData": {d.key: "<configuration-token>"}}
    )
    async with town.daemon() as daemon:
        await town.rests_at("oslo", 1)
        line = await daemon.line(ended("oslo"), PATIENCE)
    assert (line["reason"], line["from"]) == ("Missing", None)
    await town.pods_run_the_secrets_token("oslo")


async def test_a_rotate_now_that_failed_goes_on_when_it_is_run_again(town: Town) -> None:
    await town.settle("oslo")
    assert (await town.command("rotate-now", "oslo"))[0] == 0
    town.sandbox.faults.add(server="arm", method="POST", action="status", status=500, times=None)
    code, _, err = await town.command("rotate-now", "oslo", "--force")
    assert code == 3 and "The request stands" in err
    town.sandbox.faults.clear()
    code, out, _ = await town.command("rotate-now", "oslo")
    assert code == 0 and "Rotated" in out and len(town.minted("oslo")) == 2
    await town.pods_run_the_secrets_token("oslo")


async def test_a_mistyped_resource_id_is_told_before_the_first_rotation(town: Town) -> None:
    await town.settle("oslo")
    wrong = town.directory / "wrong.toml"
    wrong.write_text(town.config.read_text().replace("/service/contoso/", "/service/fabrikam/"))
    for words in (("plan",), ("rotate-now", "oslo", "--dry-run")):
        code, out, err = await town.command_with(wrong, *words)
        assert code == 3 and "fabrikam" in out + err, words
    assert town.notes("oslo") == {}


async def test_a_missing_workload_is_unsettled_from_the_first_look(town: Town) -> None:
    await town.settle("oslo")
    town.extra["oslo"] = 'workloads = ["deployment/nope"]'
    for words in (("plan",), ("status",), ("rotate-now", "oslo", "--dry-run"), ("rotate-now", "oslo")):
        code, out, err = await town.command(*words)
        assert code == 1 and "deployment/nope does not exist" in out + err, words
