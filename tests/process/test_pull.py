"""A real daemon fetches its events from an Event Grid namespace: no public port is open."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.azure.events import near_expiry
from sandbox.demo.process import Daemon
from tests.process.daemon_probes import readyz, reloaded, request_reload, started
from tests.process.process_env import WAIT_TIMEOUT, ProcessEnv, fetch, run_ended

pytestmark = pytest.mark.process


def pulling(env: ProcessEnv, *, webhook: bool = False) -> Path:
    path = env.directory / "pulling.toml"
    text = env.config.read_text()
    if not webhook:
        text = text.replace("allow_unauthenticated = true", "enabled = false")
    path.write_text(
        text
        + f"""
[pull]
endpoint = "{env.sandbox.namespace_url}"
topic = "gateway-tokens"
subscription = "rotator"
max_wait = "10s"
"""
    )
    return path


async def deliver_near_expiry(env: ProcessEnv, gateway: str, number: int = 1) -> None:
    azure, at = env.azure(gateway), env.expiry(gateway)
    await env.sandbox.eventgrid.deliver([near_expiry(azure, at, f"{gateway}-{n}") for n in range(number)])


async def test_a_pulled_event_rotates_and_no_public_port_is_open(env: ProcessEnv) -> None:
    await env.deploy("oslo")
    queue = await env.sandbox.route()
    async with started(env, pulling(env)) as daemon:
        await env.adopted("oslo")
        line = await daemon.line(lambda x: x["event"] == "started", WAIT_TIMEOUT)
        assert set(line["ports"]) == {"internal"}
        assert (await readyz(daemon))["checks"]["pull"] == "ok"
        await deliver_near_expiry(env, "oslo", 3)
        await env.verified_at("oslo", 1)
        await daemon.line(lambda x: run_ended("oslo")(x) and "NearExpiry" in x["causes"], WAIT_TIMEOUT)
        assert 'outcome="accepted",type="NearExpiry"} 1.0' in (await fetch(daemon, "/metrics"))[1]
    assert len(env.minted("oslo")) == 1
    await env.sandbox.namespace.wait_for(lambda: not queue.waiting)
    await env.pods_run_the_secrets_token("oslo")


async def test_ready_means_that_pulling_worked_once_and_a_failure_after_that_is_a_warning(
    env: ProcessEnv,
) -> None:
    await env.deploy("oslo")
    await env.sandbox.route()
    away = {"server": "namespace", "path": ":receive", "action": "status", "status": 500, "times": None}
    env.sandbox.faults.add(**away)
    async with Daemon(str(pulling(env)), env.environment()) as daemon:
        await daemon.line(lambda x: "no events can be fetched" in x["event"], WAIT_TIMEOUT)
        status = await readyz(daemon)
        assert not status["ready"] and "500" in status["checks"]["pull"]
        env.sandbox.faults.clear()
        await daemon.line(lambda x: x["event"] == "ready", WAIT_TIMEOUT)
        told = len([x for x in daemon.lines if "no events can be fetched" in x["event"]])
        rule = env.sandbox.faults.add(**away)
        await rule.hit()
        await daemon.line(
            lambda _: len([x for x in daemon.lines if "no events can be fetched" in x["event"]]) > told,
            WAIT_TIMEOUT,
        )
        status = await readyz(daemon)
        assert status["ready"] and "500" in status["warnings"]["pull"]


async def test_pulling_begins_and_ends_with_a_reload(env: ProcessEnv) -> None:
    await env.deploy("oslo")
    await env.sandbox.route()
    config = pulling(env, webhook=True)
    text = config.read_text()
    without = text.partition("[pull]")[0]
    config.write_text(without)
    async with started(env, config) as daemon:
        await env.adopted("oslo")
        assert "pull" not in (await readyz(daemon))["checks"]
        config.write_text(text)
        request_reload(daemon)
        await daemon.line(reloaded, WAIT_TIMEOUT)
        await deliver_near_expiry(env, "oslo")
        await env.verified_at("oslo", 1)
        config.write_text(without)
        request_reload(daemon)
        await daemon.line(lambda _: len([x for x in daemon.lines if reloaded(x)]) == 2, WAIT_TIMEOUT)
        assert "pull" not in (await readyz(daemon))["checks"]
        ports = next(x for x in daemon.lines if reloaded(x))["ports"]
        assert set(ports) == {"internal", "webhook"}
    assert len(env.minted("oslo")) == 1


async def test_an_event_that_is_pulled_while_the_daemon_dies_comes_again(env: ProcessEnv) -> None:
    """I8: it is acknowledged only when the request is on the Secret."""
    await env.deploy("oslo")
    await env.sandbox.route(lock_seconds=2)
    config = pulling(env)
    async with started(env, config) as daemon:
        await env.adopted("oslo")
        await daemon.line(run_ended("oslo"), WAIT_TIMEOUT)
        point = env.sandbox.faults.add(
            server="kubernetes", method="PATCH", path="/secrets/", when="before", action="hang"
        )
        await deliver_near_expiry(env, "oslo")
        await point.hit()
        await daemon.kill()
    env.sandbox.faults.clear()
    async with started(env, config) as daemon:
        await env.verified_at("oslo", 1)
        await daemon.line(lambda x: run_ended("oslo")(x) and "NearExpiry" in x["causes"], WAIT_TIMEOUT)
    assert len(env.minted("oslo")) == 1
