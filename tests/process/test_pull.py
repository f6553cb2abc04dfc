"""A real daemon fetches its events from an Event Grid namespace: no public port is open."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.azure.events import near_expiry
from sandbox.demo.process import Daemon
from tests.process.news import hup, readyz, reloaded, started
from tests.process.process_env import PATIENCE, Town, ended, fetch

pytestmark = pytest.mark.process


def pulling(town: Town, *, webhook: bool = False) -> Path:
    path = town.directory / "pulling.toml"
    text = town.config.read_text()
    if not webhook:
        text = text.replace("allow_unauthenticated = true", "enabled = false")
    path.write_text(
        text
        + f"""
[pull]
endpoint = "{town.sandbox.namespace_url}"
topic = "gateway-tokens"
subscription = "rotator"
max_wait = "10s"
"""
    )
    return path


async def complain(town: Town, gateway: str, number: int = 1) -> None:
    azure, at = town.azure(gateway), town.expiry(gateway)
    await town.sandbox.eventgrid.deliver([near_expiry(azure, at, f"{gateway}-{n}") for n in range(number)])


async def test_a_pulled_event_rotates_and_no_public_port_is_open(town: Town) -> None:
    await town.settle("oslo")
    queue = await town.sandbox.route()
    async with started(town, pulling(town)) as daemon:
        await town.adopted("oslo")
        line = await daemon.line(lambda x: x["event"] == "started", PATIENCE)
        assert set(line["ports"]) == {"internal"}
        assert (await readyz(daemon))["checks"]["pull"] == "ok"
        await complain(town, "oslo", 3)
        await town.rests_at("oslo", 1)
        await daemon.line(lambda x: ended("oslo")(x) and "NearExpiry" in x["causes"], PATIENCE)
        assert 'outcome="accepted",type="NearExpiry"} 1.0' in (await fetch(daemon, "/metrics"))[1]
    assert len(town.minted("oslo")) == 1
    await town.sandbox.namespace.wait_for(lambda: not queue.waiting)
    await town.pods_run_the_secrets_token("oslo")


async def test_ready_means_that_pulling_worked_once_and_a_failure_after_that_is_a_warning(town: Town) -> None:
    await town.settle("oslo")
    await town.sandbox.route()
    away = {"server": "namespace", "path": ":receive", "action": "status", "status": 500, "times": None}
    town.sandbox.faults.add(**away)
    async with Daemon(str(pulling(town)), town.env()) as daemon:
        await daemon.line(lambda x: "no events can be fetched" in x["event"], PATIENCE)
        status = await readyz(daemon)
        assert not status["ready"] and "500" in status["checks"]["pull"]
        town.sandbox.faults.clear()
        await daemon.line(lambda x: x["event"] == "ready", PATIENCE)
        told = len([x for x in daemon.lines if "no events can be fetched" in x["event"]])
        rule = town.sandbox.faults.add(**away)
        await rule.hit()
        await daemon.line(
            lambda _: len([x for x in daemon.lines if "no events can be fetched" in x["event"]]) > told,
            PATIENCE,
        )
        status = await readyz(daemon)
        assert status["ready"] and "500" in status["warnings"]["pull"]


async def test_pulling_begins_and_ends_with_a_reload(town: Town) -> None:
    await town.settle("oslo")
    await town.sandbox.route()
    config = pulling(town, webhook=True)
    text = config.read_text()
    without = text.partition("[pull]")[0]
    config.write_text(without)
    async with started(town, config) as daemon:
        await town.adopted("oslo")
        assert "pull" not in (await readyz(daemon))["checks"]
        config.write_text(text)
        hup(daemon)
        await daemon.line(reloaded, PATIENCE)
        await complain(town, "oslo")
        await town.rests_at("oslo", 1)
        config.write_text(without)
        hup(daemon)
        await daemon.line(lambda _: len([x for x in daemon.lines if reloaded(x)]) == 2, PATIENCE)
        assert "pull" not in (await readyz(daemon))["checks"]
        ports = next(x for x in daemon.lines if reloaded(x))["ports"]
        assert set(ports) == {"internal", "webhook"}
    assert len(town.minted("oslo")) == 1


async def test_an_event_that_is_pulled_while_the_daemon_dies_comes_again(town: Town) -> None:
    """I8: it is acknowledged only when the request is on the Secret."""
    await town.settle("oslo")
    await town.sandbox.route(lock_seconds=2)
    config = pulling(town)
    async with started(town, config) as daemon:
        await town.adopted("oslo")
        await daemon.line(ended("oslo"), PATIENCE)
        point = town.sandbox.faults.add(
            server="kubernetes", method="PATCH", path="/secrets/", when="before", action="hang"
        )
        await complain(town, "oslo")
        await point.hit()
        await daemon.kill()
    town.sandbox.faults.clear()
    async with started(town, config) as daemon:
        await town.rests_at("oslo", 1)
        await daemon.line(lambda x: ended("oslo")(x) and "NearExpiry" in x["causes"], PATIENCE)
    assert len(town.minted("oslo")) == 1
