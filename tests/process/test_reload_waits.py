"""Real daemons that are between two generations, or wait for one that does not come."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import yaml

from sandbox.azure.events import near_expiry
from tests.loop_clock import Later
from tests.process.daemon_probes import reloaded, request_reload, started
from tests.process.process_env import WAIT_TIMEOUT, Json, ProcessEnv, port, post
from tests.process.test_webhook_security import OLD, secured

pytestmark = pytest.mark.process


def hangs(kubeconfig: dict[str, Any]) -> str:
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "sleep", "args": ["600"]}
    user = {"exec": plugin | {"interactiveMode": "Never"}}
    return yaml.safe_dump(kubeconfig | {"users": [u | {"user": user} for u in kubeconfig["users"]]})


async def test_a_daemon_whose_new_kubeconfig_has_a_plugin_that_hangs_works_on_and_leaves(
    env: ProcessEnv,
) -> None:
    await env.deploy("oslo")
    kubeconfig = env.sandbox.kubeconfig
    async with env.daemon() as daemon:
        await env.adopted("oslo")
        kubeconfig.write_text(hangs(yaml.safe_load(kubeconfig.read_text())))
        request_reload(daemon)
        await env.deliver_near_expiry("oslo", daemon)
        await env.verified_at("oslo", 1)
        assert await daemon.stop() == 0


async def test_a_daemon_that_hangs_in_a_plugin_as_it_starts_leaves(env: ProcessEnv) -> None:
    await env.deploy("oslo")
    kubeconfig = env.sandbox.kubeconfig
    plugin = hangs(yaml.safe_load(kubeconfig.read_text()))
    begun = env.directory / "begun"
    kubeconfig.write_text(
        plugin.replace("sleep", "sh").replace("'600'", f"-c\n      - touch {begun}; sleep 600")
    )
    process = await env.start(env.config, "run")
    async with asyncio.timeout(WAIT_TIMEOUT):
        while not begun.exists():
            await asyncio.sleep(0.02)
    process.terminate()
    async with asyncio.timeout(WAIT_TIMEOUT):
        assert await process.wait() == 0


def request(event: Json) -> bytes:
    """Return a delivery of the event as it is sent, without any credential."""
    body = json.dumps([event]).encode()
    head = (
        f"POST /events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    )
    return f"{head}\r\n\r\n".encode() + body


async def test_who_waits_while_the_webhook_is_taken_away_does_not_come_in_without_a_proof(
    env: ProcessEnv, later: Later
) -> None:
    await env.deploy("oslo")
    (secrets := env.directory / "secrets").write_text(OLD)
    config = secured(env, way := f'secret_file = "{secrets}"')
    async with started(env, config) as daemon:
        await env.adopted("oslo")
        event = near_expiry(env.azure("oslo"), env.expiry("oslo"))
        held = env.sandbox.faults.add(server="arm", path="generateToken", action="latency", seconds=60)
        assert (await post(daemon, [event], **{"x-rotator-secret": OLD}))[0] == 200
        await held.hit()
        config.write_text(config.read_text().replace(way, "enabled = false"))
        request_reload(daemon)
        await daemon.line(lambda x: x["event"] == "reload: the previous generation ends", WAIT_TIMEOUT)
        reader, writer = await asyncio.open_connection("127.0.0.1", port(daemon, "webhook"))
        writer.write(request(event))
        await writer.drain()  # it is there before the generation can end
        await later.by(60)
        assert (await reader.readline()).startswith(b"HTTP/1.1 503 ")
        writer.close()
        await daemon.line(reloaded, WAIT_TIMEOUT)
