"""Real daemons whose configuration, kubeconfig and certificates change while they work."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from sandbox import Sandbox, tls
from sandbox.azure.events import near_expiry
from sandbox.demo.process import Daemon
from tests.process.news import (
    closed,
    count,
    fetch_at,
    hup,
    looked_at,
    metric,
    readyz,
    refused,
    reloaded,
    started,
    times,
)
from tests.process.process_env import LAYOUTS, PATIENCE, Town, ended, fetch, port, post

pytestmark = pytest.mark.process


async def test_a_gateway_that_is_written_into_the_file_is_adopted_and_one_that_is_taken_out_left_alone(
    town: Town,
) -> None:
    """Nobody tells the daemon: it looks every few seconds."""
    await town.settle("oslo")
    await town.settle("bergen", "portal", days=3)
    bergen = town.gateways.pop("bergen")
    async with town.daemon() as daemon:
        await town.adopted("oslo")
        del town.gateways["oslo"]
        await town.settle("tromso", "helm")
        town.config  # noqa: B018 - writes the file in place
        await daemon.line(reloaded, PATIENCE)
        await town.adopted("tromso")
        await daemon.line(ended("tromso"), PATIENCE)
        assert [g["name"] for g in json.loads((await fetch(daemon, "/api/v1/gateways"))[1])["gateways"]] == [
            "tromso"
        ]
        metrics = (await fetch(daemon, "/metrics"))[1]
        assert 'gateway="tromso"' in metrics and 'gateway="oslo"' not in metrics
        before = town.writes()
        town.gateways["bergen"] = bergen
        gone = near_expiry(town.azure("bergen"), bergen.gateway.minted[0].expires_at)
        assert (await post(daemon, [gone]))[0] == 200
        assert town.writes() == before


def swap(volume: Path, generation: str, text: str) -> None:
    """Replace config.toml as kubelet does in a ConfigMap volume."""
    (volume / generation).mkdir(parents=True)
    (volume / generation / "config.toml").write_text(text)
    if not (volume / "config.toml").is_symlink():
        (volume / "config.toml").symlink_to("..data/config.toml")
    (volume / "..data_tmp").symlink_to(generation)
    (volume / "..data_tmp").rename(volume / "..data")


async def test_a_new_policy_in_a_configmap_takes_effect(town: Town) -> None:
    await town.settle("oslo")
    volume, text = town.directory / "volume", town.config.read_text()
    swap(volume, "..1", text)
    async with started(town, volume / "config.toml") as daemon:
        await town.adopted("oslo")
        swap(volume, "..2", text.replace('renew_before = "5d"', 'renew_before = "25d"'))
        await daemon.line(reloaded, PATIENCE)
        await town.rests_at("oslo", 1)
    await town.pods_run_the_secrets_token("oslo")


BAD = {
    "two mistakes": lambda text: text.replace('renew_before = "5d"', 'renew_before = "soon"\nreneww = 1'),
    "no TOML": lambda text: text[:-40] + "[[",
    "no kubeconfig": lambda text: text.replace("kubeconfig = ", 'kubeconfig = "/nowhere/kubeconfig" # '),
    "no such context": lambda text: text.replace("[kubernetes]", '[kubernetes]\ncontext = "nowhere"'),
    "no CA bundle": lambda text: text.replace("ca_file = ", 'ca_file = "/nowhere/ca.pem" # '),
    "nothing": lambda text: "",
}


@pytest.mark.parametrize("mistake", BAD)
async def test_a_bad_file_changes_nothing_and_is_told_until_it_is_mended(town: Town, mistake: str) -> None:
    await town.settle("oslo")
    town.sandbox.cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "rotator"}})
    config = town.config
    good = config.read_text()
    async with started(town, config, POD_NAMESPACE="rotator", POD_UID="0815") as daemon:
        town.webhook_port = port(daemon, "webhook")
        await town.adopted("oslo")
        config.write_text(BAD[mistake](good))
        hup(daemon)
        line = await daemon.line(refused, PATIENCE)
        assert len(line["mistakes"]) == (2 if mistake in {"two mistakes", "nothing"} else 1)
        assert await metric(daemon, "rotator_config_last_reload_successful") == 0
        status = await readyz(daemon)
        assert status["ready"] and line["mistakes"][0] in status["warnings"]["config"]
        hup(daemon)  # tried again, told once
        await town.sandbox.eventgrid.subscribe(f"http://127.0.0.1:{town.webhook_port}/events")
        await town.sandbox.eventgrid.deliver([near_expiry(town.azure("oslo"), town.expiry("oslo"))])
        await town.rests_at("oslo", 1)
        assert count(daemon, refused) == 1 and count(daemon, reloaded) == 0
        config.write_text(good)
        hup(daemon)
        await daemon.line(lambda x: "again as they were" in x["event"], PATIENCE)
        assert (await readyz(daemon))["warnings"] == {}
        assert await metric(daemon, "rotator_config_last_reload_successful") == 1
    told = [e for e in town.sandbox.cluster.list("Event", "rotator") if e["reason"] == "ConfigRefused"]
    assert [(e["type"], e["involvedObject"]["name"], e["involvedObject"]["uid"]) for e in told] == [
        ("Warning", "rotator-0", "0815")
    ]
    assert len(town.minted("oslo")) == 1


async def test_a_taken_port_is_a_mistake_and_another_port_is_moved_to(town: Town) -> None:
    await town.settle("oslo")
    config = town.config
    good = config.read_text()
    listen = '[internal]\nlisten = "127.0.0.1:'
    async with started(town, config) as other, started(town, config) as daemon:
        config.write_text(good.replace(f"{listen}0", f"{listen}{port(other, 'internal')}"))
        hup(daemon)
        assert "in use" in (await daemon.line(refused, PATIENCE))["mistakes"][0]
        assert (await fetch(daemon, "/healthz"))[0] == 200
        config.write_text(good.replace("[webhook]", "[webhook]\nenabled = false"))
        hup(daemon)
        line = await daemon.line(reloaded, PATIENCE)
        assert set(line["ports"]) == {"internal"}
        await closed(port(daemon, "webhook"))
        config.write_text(good)
        hup(daemon)
        await times(daemon, 2, reloaded)
        ports = [x for x in daemon.lines if reloaded(x)][-1]["ports"]
        assert (await fetch_at(ports["webhook"], "/events")) == 405
        assert ports["internal"] == port(daemon, "internal")


async def test_sighup_without_a_change_changes_nothing(town: Town) -> None:
    await town.settle("oslo")
    async with town.daemon() as daemon:
        await daemon.line(ended("oslo"), PATIENCE)
        looks = count(daemon, ended("oslo"))
        hup(daemon)
        await daemon.line(lambda x: "nothing has changed" in x["event"], PATIENCE)
        config = town.directory / "config.toml"
        config.write_text(config.read_text() + "# a remark\n")
        hup(daemon)
        await daemon.line(lambda x: "says the same" in x["event"], PATIENCE)
        assert count(daemon, ended("oslo")) == looks and count(daemon, reloaded) == 0


async def test_reloading_a_fleet_at_rest_issues_no_token_and_restarts_no_pod(town: Town) -> None:
    """I5: nothing is patched, and Azure is not even asked."""
    for name, layout in zip(("oslo", "bergen", "tromso"), LAYOUTS, strict=True):
        await town.settle(name, layout, days=3 if name == "oslo" else 20)
    config = town.config
    async with town.daemon() as daemon:
        await asyncio.gather(town.rests_at("oslo", 1), town.adopted("bergen"), town.adopted("tromso"))
        for gateway in town.gateways:
            await daemon.line(ended(gateway), PATIENCE)
        before, rollouts = town.writes(), {g: town.rollouts(g) for g in town.gateways}
        for n in range(1, 6):
            config.write_text(config.read_text() + f"[rotation]\nschedule_jitter = '{n}m'\n")
            hup(daemon)
            for gateway in town.gateways:
                await times(daemon, n, looked_at(gateway))
            config.write_text(town.config.read_text())
    assert town.writes() == before
    assert {g: town.rollouts(g) for g in town.gateways} == rollouts == {"oslo": 2, "bergen": 1, "tromso": 1}


async def test_a_kubeconfig_that_goes_bad_is_noticed_and_a_mended_one_too(town: Town) -> None:
    await town.settle("oslo")
    good = town.sandbox.kubeconfig.read_text()
    async with town.daemon() as daemon:
        await town.adopted("oslo")
        town.sandbox.kubeconfig.write_text(good.replace("token: ", "token: wrong"))
        hup(daemon)
        await daemon.line(lambda x: x["event"] == "not ready yet" and x["check"] == "kubernetes", PATIENCE)
        town.sandbox.kubeconfig.write_text(good)
        hup(daemon)
        await times(daemon, 2, reloaded)
        await times(daemon, 2, lambda x: x["event"] == "ready")
        await town.complain("oslo", daemon)
        await town.rests_at("oslo", 1)
    assert len(town.minted("oslo")) == 1


async def test_a_certificate_that_a_kubeconfig_names_is_read_again(town: Town) -> None:
    """The kubeconfig and the configuration stay as they are: only the file behind them changes."""
    await town.settle("oslo")
    right, kubeconfig = town.sandbox.ca_file.read_bytes(), town.sandbox.kubeconfig
    wrong = tls.create(town.directory / "stranger").ca.read_bytes()
    (ca := town.directory / "cluster-ca.pem").write_bytes(right)
    kubeconfig.write_text(
        kubeconfig.read_text().replace(str(town.sandbox.ca_file.resolve()), "cluster-ca.pem")
    )
    async with town.daemon() as daemon:
        await town.adopted("oslo")
        ca.write_bytes(wrong)
        hup(daemon)
        await daemon.line(lambda x: x["event"] == "not ready yet" and x["check"] == "kubernetes", PATIENCE)
        ca.write_bytes(right)
        hup(daemon)
        await times(daemon, 2, lambda x: x["event"] == "ready")


async def test_azures_ca_bundle_is_read_again(town: Town) -> None:
    await town.settle("oslo", days=3)
    (ca := town.directory / "azure-ca.pem").write_bytes(
        tls.create(town.directory / "stranger").ca.read_bytes()
    )
    config = town.directory / "own.toml"
    config.write_text(
        town.config.read_text().replace(f'ca_file = "{town.sandbox.ca_file}"', f'ca_file = "{ca}"')
    )
    async with Daemon(str(config), town.env()) as daemon:
        await daemon.line(lambda x: x["event"] == "not ready yet" and x["check"] == "azure", PATIENCE)
        ca.write_bytes(town.sandbox.ca_file.read_bytes())
        hup(daemon)
        await town.rests_at("oslo", 1)


@pytest.mark.parametrize("hold", ["GET", "PATCH"])
async def test_a_delivery_under_way_during_a_reload_is_answered_and_not_lost(town: Town, hold: str) -> None:
    await town.settle("oslo")
    async with town.daemon() as daemon:
        await town.adopted("oslo")
        await daemon.line(ended("oslo"), PATIENCE)
        held = town.sandbox.faults.add(server="kubernetes", method=hold, path="/secrets/", action="hang")
        await town.complain("oslo", daemon)
        await held.hit()
        town.settings = "recheck = '4m'"
        town.config  # noqa: B018 - writes the file in place
        hup(daemon)
        late = asyncio.create_task(post(daemon, [near_expiry(town.azure("oslo"), town.expiry("oslo"))]))
        await daemon.line(lambda x: x["event"] == "reload: the generation before ends", PATIENCE)
        town.sandbox.faults.clear()
        await daemon.line(reloaded, PATIENCE)
        assert (await late)[0] in {200, 503}
        await town.rests_at("oslo", 1)
        await town.sandbox.eventgrid.settled()
    assert {d.status for d in town.sandbox.eventgrid.deliveries} <= {200, 503}
    assert town.sandbox.eventgrid.dead == [] and len(town.minted("oslo")) == 1


async def test_a_stream_of_deliveries_does_not_notice_reloads(town: Town) -> None:
    """The senders wait for nothing but answers, so the rate must allow what any machine can send."""
    await town.settle("oslo")
    town.webhook = "max_rate = 100_000_000"
    async with town.daemon() as daemon:
        await town.adopted("oslo")
        event = near_expiry(town.azure("oslo"), town.expiry("oslo"))
        done, answers = asyncio.Event(), []

        async def send() -> None:
            while not done.is_set():
                answers.append((await post(daemon, [event]))[0])

        async with asyncio.TaskGroup() as group:
            group.create_task(send())
            group.create_task(send())
            for n in range(1, 4):
                town.settings = f"recheck = '{n}m'"
                town.config  # noqa: B018 - writes the file in place
                hup(daemon)
                await times(daemon, n, reloaded)
            await town.rests_at("oslo", 1)
            done.set()
    assert set(answers) <= {200, 503} and answers.count(200) > len(answers) / 2
    assert len(town.minted("oslo")) == 1


async def test_a_rollout_under_way_is_gone_on_with_by_the_next_generation(tmp_path: Path) -> None:
    async with Sandbox(tmp_path, ready_delay=3, term_delay=0.05) as sandbox:
        town = Town(sandbox, tmp_path)
        await town.settle("oslo", days=3, replicas=2)
        async with town.daemon() as daemon:
            await daemon.line(lambda x: x["event"] == "step" and x.get("step") == "Await", PATIENCE)
            town.settings = "recheck = '4m'"
            town.config  # noqa: B018 - writes the file in place
            hup(daemon)
            line = await daemon.line(lambda x: ended("oslo")(x) and x["result"] == "interrupted", PATIENCE)
            assert "Issue" in line["steps"] and "Verify" not in line["steps"]
            await town.rests_at("oslo", 1)
            last = await daemon.line(lambda x: looked_at("oslo")(x) and "Verify" in x["steps"], PATIENCE)
        assert "Issue" not in last["steps"] and "Restart" not in last["steps"]
        assert len(town.minted("oslo")) == 1 and town.rollouts("oslo") == 2
        await town.pods_run_the_secrets_token("oslo")


async def test_a_daemon_that_is_asked_to_leave_during_a_reload_leaves(town: Town) -> None:
    await town.settle("oslo")
    async with town.daemon() as daemon:
        await town.adopted("oslo")
        town.settings = "recheck = '4m'"
        town.config  # noqa: B018 - writes the file in place
        held = town.sandbox.faults.add(
            server="kubernetes", method="GET", path="/secrets/", action="hang", times=None
        )
        hup(daemon)
        await held.hit()
        assert await daemon.leave() == 0
