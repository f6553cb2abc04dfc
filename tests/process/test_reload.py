"""Real daemons whose configuration, kubeconfig and certificates change while they work."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from sandbox import Sandbox, tls
from sandbox.azure.events import near_expiry
from sandbox.demo.process import Daemon
from tests.process.daemon_probes import (
    count,
    fetch_at,
    looked_at,
    metric,
    port_closed,
    readyz,
    reload_refused,
    reloaded,
    request_reload,
    started,
    wait_for_count,
)
from tests.process.process_env import LAYOUTS, WAIT_TIMEOUT, ProcessEnv, fetch, port, post, run_ended

pytestmark = pytest.mark.process


async def test_a_gateway_that_is_written_into_the_file_is_adopted_and_one_that_is_taken_out_left_alone(
    env: ProcessEnv,
) -> None:
    """No signal is sent: the daemon looks every few seconds."""
    await env.deploy("oslo")
    await env.deploy("bergen", "portal", days=3)
    bergen = env.gateways.pop("bergen")
    async with env.daemon() as daemon:
        await env.adopted("oslo")
        del env.gateways["oslo"]
        await env.deploy("tromso", "helm")
        env.config  # noqa: B018 - writes the file in place
        await daemon.line(reloaded, WAIT_TIMEOUT)
        await env.adopted("tromso")
        await daemon.line(run_ended("tromso"), WAIT_TIMEOUT)
        assert [g["name"] for g in json.loads((await fetch(daemon, "/api/v1/gateways"))[1])["gateways"]] == [
            "tromso"
        ]
        metrics = (await fetch(daemon, "/metrics"))[1]
        assert 'gateway="tromso"' in metrics and 'gateway="oslo"' not in metrics
        before = env.writes()
        env.gateways["bergen"] = bergen
        gone = near_expiry(env.azure("bergen"), bergen.gateway.minted[0].expires_at)
        assert (await post(daemon, [gone]))[0] == 200
        assert env.writes() == before


def swap(volume: Path, generation: str, text: str) -> None:
    """Replace config.toml as kubelet does in a ConfigMap volume."""
    (volume / generation).mkdir(parents=True)
    (volume / generation / "config.toml").write_text(text)
    if not (volume / "config.toml").is_symlink():
        (volume / "config.toml").symlink_to("..data/config.toml")
    (volume / "..data_tmp").symlink_to(generation)
    (volume / "..data_tmp").rename(volume / "..data")


async def test_a_new_policy_in_a_configmap_takes_effect(env: ProcessEnv) -> None:
    await env.deploy("oslo")
    volume, text = env.directory / "volume", env.config.read_text()
    swap(volume, "..1", text)
    async with started(env, volume / "config.toml") as daemon:
        await env.adopted("oslo")
        swap(volume, "..2", text.replace('renew_before = "5d"', 'renew_before = "25d"'))
        await daemon.line(reloaded, WAIT_TIMEOUT)
        await env.verified_at("oslo", 1)
    await env.pods_run_the_secrets_token("oslo")


BAD = {
    "two mistakes": lambda text: text.replace('renew_before = "5d"', 'renew_before = "soon"\nreneww = 1'),
    "no TOML": lambda text: text[:-40] + "[[",
    "no kubeconfig": lambda text: text.replace("kubeconfig = ", 'kubeconfig = "/nowhere/kubeconfig" # '),
    "no such context": lambda text: text.replace("[kubernetes]", '[kubernetes]\ncontext = "nowhere"'),
    "no CA bundle": lambda text: text.replace("ca_file = ", 'ca_file = "/nowhere/ca.pem" # '),
    "nothing": lambda text: "",
}


@pytest.mark.parametrize("mistake", BAD)
async def test_a_bad_file_changes_nothing_and_is_reported_until_it_is_corrected(
    env: ProcessEnv, mistake: str
) -> None:
    await env.deploy("oslo")
    env.sandbox.cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "rotator"}})
    config = env.config
    good = config.read_text()
    async with started(env, config, POD_NAMESPACE="rotator", POD_UID="0815") as daemon:
        env.webhook_port = port(daemon, "webhook")
        await env.adopted("oslo")
        config.write_text(BAD[mistake](good))
        request_reload(daemon)
        line = await daemon.line(reload_refused, WAIT_TIMEOUT)
        assert len(line["mistakes"]) == (2 if mistake in {"two mistakes", "nothing"} else 1)
        assert await metric(daemon, "rotator_config_last_reload_successful") == 0
        status = await readyz(daemon)
        assert status["ready"] and line["mistakes"][0] in status["warnings"]["config"]
        request_reload(daemon)  # tried again, told once
        await env.sandbox.eventgrid.subscribe(f"http://127.0.0.1:{env.webhook_port}/events")
        await env.sandbox.eventgrid.deliver([near_expiry(env.azure("oslo"), env.expiry("oslo"))])
        await env.verified_at("oslo", 1)
        assert count(daemon, reload_refused) == 1 and count(daemon, reloaded) == 0
        config.write_text(good)
        request_reload(daemon)
        await daemon.line(lambda x: "again as they were" in x["event"], WAIT_TIMEOUT)
        assert (await readyz(daemon))["warnings"] == {}
        assert await metric(daemon, "rotator_config_last_reload_successful") == 1
    told = [e for e in env.sandbox.cluster.list("Event", "rotator") if e["reason"] == "ConfigRefused"]
    assert [(e["type"], e["involvedObject"]["name"], e["involvedObject"]["uid"]) for e in told] == [
        ("Warning", "rotator-0", "0815")
    ]
    assert len(env.minted("oslo")) == 1


async def test_a_taken_port_is_a_mistake_and_another_port_is_moved_to(env: ProcessEnv) -> None:
    await env.deploy("oslo")
    config = env.config
    good = config.read_text()
    listen = '[internal]\nlisten = "127.0.0.1:'
    async with started(env, config) as other, started(env, config) as daemon:
        config.write_text(good.replace(f"{listen}0", f"{listen}{port(other, 'internal')}"))
        request_reload(daemon)
        assert "in use" in (await daemon.line(reload_refused, WAIT_TIMEOUT))["mistakes"][0]
        assert (await fetch(daemon, "/healthz"))[0] == 200
        config.write_text(good.replace("[webhook]", "[webhook]\nenabled = false"))
        request_reload(daemon)
        line = await daemon.line(reloaded, WAIT_TIMEOUT)
        assert set(line["ports"]) == {"internal"}
        await port_closed(port(daemon, "webhook"))
        config.write_text(good)
        request_reload(daemon)
        await wait_for_count(daemon, 2, reloaded)
        ports = [x for x in daemon.lines if reloaded(x)][-1]["ports"]
        assert (await fetch_at(ports["webhook"], "/events")) == 405
        assert ports["internal"] == port(daemon, "internal")


async def test_sighup_without_a_change_changes_nothing(env: ProcessEnv) -> None:
    await env.deploy("oslo")
    async with env.daemon() as daemon:
        await daemon.line(run_ended("oslo"), WAIT_TIMEOUT)
        looks = count(daemon, run_ended("oslo"))
        request_reload(daemon)
        await daemon.line(lambda x: "nothing has changed" in x["event"], WAIT_TIMEOUT)
        config = env.directory / "config.toml"
        config.write_text(config.read_text() + "# a remark\n")
        request_reload(daemon)
        await daemon.line(lambda x: "says the same" in x["event"], WAIT_TIMEOUT)
        assert count(daemon, run_ended("oslo")) == looks and count(daemon, reloaded) == 0


async def test_reloading_a_fleet_at_rest_issues_no_token_and_restarts_no_pod(env: ProcessEnv) -> None:
    """I5: nothing is patched, and Azure is not even asked."""
    for name, layout in zip(("oslo", "bergen", "tromso"), LAYOUTS, strict=True):
        await env.deploy(name, layout, days=3 if name == "oslo" else 20)
    config = env.config
    async with env.daemon() as daemon:
        await asyncio.gather(env.verified_at("oslo", 1), env.adopted("bergen"), env.adopted("tromso"))
        for gateway in env.gateways:
            await daemon.line(run_ended(gateway), WAIT_TIMEOUT)
        before, rollouts = env.writes(), {g: env.rollouts(g) for g in env.gateways}
        for n in range(1, 6):
            config.write_text(config.read_text() + f"[rotation]\nschedule_jitter = '{n}m'\n")
            request_reload(daemon)
            for gateway in env.gateways:
                await wait_for_count(daemon, n, looked_at(gateway))
            config.write_text(env.config.read_text())
    assert env.writes() == before
    assert {g: env.rollouts(g) for g in env.gateways} == rollouts == {"oslo": 2, "bergen": 1, "tromso": 1}


async def test_a_kubeconfig_that_goes_bad_is_noticed_and_a_corrected_one_too(env: ProcessEnv) -> None:
    await env.deploy("oslo")
    good = env.sandbox.kubeconfig.read_text()
    async with env.daemon() as daemon:
        await env.adopted("oslo")
        env.sandbox.kubeconfig.write_text(good.replace("token: ", "token: wrong"))
        request_reload(daemon)
        await daemon.line(
            lambda x: x["event"] == "not ready yet" and x["check"] == "kubernetes", WAIT_TIMEOUT
        )
        env.sandbox.kubeconfig.write_text(good)
        request_reload(daemon)
        await wait_for_count(daemon, 2, reloaded)
        await wait_for_count(daemon, 2, lambda x: x["event"] == "ready")
        await env.deliver_near_expiry("oslo", daemon)
        await env.verified_at("oslo", 1)
    assert len(env.minted("oslo")) == 1


async def test_a_certificate_that_a_kubeconfig_names_is_read_again(env: ProcessEnv) -> None:
    """The kubeconfig and the configuration stay as they are: only the file behind them changes."""
    await env.deploy("oslo")
    right, kubeconfig = env.sandbox.ca_file.read_bytes(), env.sandbox.kubeconfig
    wrong = tls.create(env.directory / "another-ca").ca.read_bytes()
    (ca := env.directory / "cluster-ca.pem").write_bytes(right)
    kubeconfig.write_text(
        kubeconfig.read_text().replace(str(env.sandbox.ca_file.resolve()), "cluster-ca.pem")
    )
    async with env.daemon() as daemon:
        await env.adopted("oslo")
        ca.write_bytes(wrong)
        request_reload(daemon)
        await daemon.line(
            lambda x: x["event"] == "not ready yet" and x["check"] == "kubernetes", WAIT_TIMEOUT
        )
        ca.write_bytes(right)
        request_reload(daemon)
        await wait_for_count(daemon, 2, lambda x: x["event"] == "ready")


async def test_azures_ca_bundle_is_read_again(env: ProcessEnv) -> None:
    await env.deploy("oslo", days=3)
    (ca := env.directory / "azure-ca.pem").write_bytes(
        tls.create(env.directory / "another-ca").ca.read_bytes()
    )
    config = env.directory / "own.toml"
    config.write_text(
        env.config.read_text().replace(f'ca_file = "{env.sandbox.ca_file}"', f'ca_file = "{ca}"')
    )
    async with Daemon(str(config), env.environment()) as daemon:
        await daemon.line(lambda x: x["event"] == "not ready yet" and x["check"] == "azure", WAIT_TIMEOUT)
        ca.write_bytes(env.sandbox.ca_file.read_bytes())
        request_reload(daemon)
        await env.verified_at("oslo", 1)


@pytest.mark.parametrize("hold", ["GET", "PATCH"])
async def test_a_delivery_under_way_during_a_reload_is_answered_and_not_lost(
    env: ProcessEnv, hold: str
) -> None:
    await env.deploy("oslo")
    async with env.daemon() as daemon:
        await env.adopted("oslo")
        await daemon.line(run_ended("oslo"), WAIT_TIMEOUT)
        held = env.sandbox.faults.add(server="kubernetes", method=hold, path="/secrets/", action="hang")
        await env.deliver_near_expiry("oslo", daemon)
        await held.hit()
        env.settings = "recheck = '4m'"
        env.config  # noqa: B018 - writes the file in place
        request_reload(daemon)
        late = asyncio.create_task(post(daemon, [near_expiry(env.azure("oslo"), env.expiry("oslo"))]))
        await daemon.line(lambda x: x["event"] == "reload: the previous generation ends", WAIT_TIMEOUT)
        env.sandbox.faults.clear()
        await daemon.line(reloaded, WAIT_TIMEOUT)
        assert (await late)[0] in {200, 503}
        await env.verified_at("oslo", 1)
        await env.sandbox.eventgrid.settled()
    assert {d.status for d in env.sandbox.eventgrid.deliveries} <= {200, 503}
    assert env.sandbox.eventgrid.dead == [] and len(env.minted("oslo")) == 1


async def test_a_stream_of_deliveries_does_not_notice_reloads(env: ProcessEnv) -> None:
    """The senders wait for nothing but answers, so the rate must allow what any machine can send."""
    await env.deploy("oslo")
    env.webhook = "max_rate = 100_000_000"
    async with env.daemon() as daemon:
        await env.adopted("oslo")
        event = near_expiry(env.azure("oslo"), env.expiry("oslo"))
        done, answers = asyncio.Event(), []

        async def send() -> None:
            while not done.is_set():
                answers.append((await post(daemon, [event]))[0])

        async with asyncio.TaskGroup() as group:
            group.create_task(send())
            group.create_task(send())
            for n in range(1, 4):
                env.settings = f"recheck = '{n}m'"
                env.config  # noqa: B018 - writes the file in place
                request_reload(daemon)
                await wait_for_count(daemon, n, reloaded)
            await env.verified_at("oslo", 1)
            done.set()
    assert set(answers) <= {200, 503} and answers.count(200) > len(answers) / 2
    assert len(env.minted("oslo")) == 1


async def test_a_rollout_under_way_is_gone_on_with_by_the_next_generation(tmp_path: Path) -> None:
    async with Sandbox(tmp_path, ready_delay=3, term_delay=0.05) as sandbox:
        env = ProcessEnv(sandbox, tmp_path)
        await env.deploy("oslo", days=3, replicas=2)
        async with env.daemon() as daemon:
            await daemon.line(lambda x: x["event"] == "step" and x.get("step") == "Await", WAIT_TIMEOUT)
            env.settings = "recheck = '4m'"
            env.config  # noqa: B018 - writes the file in place
            request_reload(daemon)
            line = await daemon.line(
                lambda x: run_ended("oslo")(x) and x["result"] == "interrupted", WAIT_TIMEOUT
            )
            assert "Issue" in line["steps"] and "Verify" not in line["steps"]
            await env.verified_at("oslo", 1)
            last = await daemon.line(lambda x: looked_at("oslo")(x) and "Verify" in x["steps"], WAIT_TIMEOUT)
        assert "Issue" not in last["steps"] and "Restart" not in last["steps"]
        assert len(env.minted("oslo")) == 1 and env.rollouts("oslo") == 2
        await env.pods_run_the_secrets_token("oslo")


async def test_a_daemon_that_is_asked_to_leave_during_a_reload_leaves(env: ProcessEnv) -> None:
    await env.deploy("oslo")
    async with env.daemon() as daemon:
        await env.adopted("oslo")
        env.settings = "recheck = '4m'"
        env.config  # noqa: B018 - writes the file in place
        held = env.sandbox.faults.add(
            server="kubernetes", method="GET", path="/secrets/", action="hang", times=None
        )
        request_reload(daemon)
        await held.hit()
        assert await daemon.stop() == 0
