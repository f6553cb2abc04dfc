"""The demo's scenario: three rotations by three triggers, each verified in the simulated Azure."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp

from rotator.cli.exits import Exit
from sandbox import Sandbox
from sandbox.common import Json
from sandbox.demo.interactive import run_until_stopped
from sandbox.demo.output import Output
from sandbox.demo.process import Daemon, DaemonError
from sandbox.demo.setup import BY_COMMAND, BY_EVENT, BY_SCHEDULE, GATEWAYS, DemoGateway, environment, set_up
from sandbox.demo.state import State

STEP_TIMEOUT = 60.0
"""Seconds for the daemon's start or one rotation, each of which takes about two on an idle machine."""


class FailedError(Exception):
    """A rotation did not do what the demo shows; the message says what is missing."""


def demo(*, keep: bool) -> Exit:
    """Run the scenario and return the exit code. `keep` leaves everything running until Ctrl-C."""
    output = Output()
    with tempfile.TemporaryDirectory(prefix="rotator-demo-") as directory:
        try:
            asyncio.run(run(Path(directory), output, keep=keep))
        except (FailedError, DaemonError, TimeoutError) as error:
            output.failed(str(error) or type(error).__name__)
            return Exit.UNSETTLED
        except KeyboardInterrupt:
            return Exit.INTERRUPTED
    return Exit.OK


async def run(directory: Path, output: Output, *, keep: bool) -> None:
    started_at = time.monotonic()
    async with AsyncExitStack() as stack:
        output.heading("Starting a simulated Azure, Event Grid, a cluster and three gateways, over real HTTP")
        sandbox = await stack.enter_async_context(Sandbox(directory, ready_delay=0.5, term_delay=0.3))
        config, deployed = await set_up(sandbox, directory)
        for gateway in GATEWAYS:
            output.deployed(gateway, deployed[gateway.name])
        daemon = Daemon(str(config), environment(sandbox), output.daemon_line)
        state = State(sandbox, daemon, config, deployed, output, await pod_names(sandbox))
        output.heading("Starting `rotator run` in a process of its own")
        await stack.enter_async_context(daemon)
        try:
            await rotate_all(state)
        except (FailedError, DaemonError, TimeoutError):
            output.daemon_log(daemon.lines)
            raise
        calls = sandbox.journal.calls("arm", "POST")
        tokens = sum("generateToken" in call.path for call in calls)
        output.summary(time.monotonic() - started_at, tokens)
        if keep:
            await run_until_stopped(state, directory)


async def rotate_all(state: State) -> None:
    await state.daemon.line(lambda line: line["event"] == "started", STEP_TIMEOUT)
    state.output.trigger(BY_SCHEDULE)
    await rotated(state, BY_SCHEDULE)
    await state.daemon.line(lambda line: line["event"] == "ready", STEP_TIMEOUT)
    state.output.trigger(BY_EVENT)
    await send_near_expiry(state, BY_EVENT)
    await rotated(state, BY_EVENT)
    state.output.trigger(BY_COMMAND)
    await rotate_now(state, BY_COMMAND)
    await verify(state, BY_COMMAND)


async def send_near_expiry(state: State, gateway: DemoGateway) -> None:
    """Subscribe the daemon's webhook, which includes a handshake, and deliver three near-expiry events."""
    endpoint = f"http://127.0.0.1:{state.ports()['webhook']}/events"
    async with aiohttp.ClientSession() as http:
        for path, body in (
            ("/subscriptions", {"endpoint": endpoint, "schema": "eventgrid"}),
            ("/events", {"gateway": gateway.name, "kind": "near-expiry", "count": 3}),
        ):
            async with http.post(state.sandbox.control_url + path, json=body) as answer:
                if answer.status >= 300:
                    raise FailedError(f"Event Grid: {await answer.text()}")
    state.output.note("Event Grid validated the webhook and delivered three near-expiry events")


async def rotate_now(state: State, gateway: DemoGateway) -> None:
    command = (sys.executable, "-m", "rotator", "rotate-now", gateway.name, "--config", str(state.config))
    process = await asyncio.create_subprocess_exec(
        *command, env=environment(state.sandbox), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout  # noqa: S101 - the line above asks for it
    async for raw in process.stdout:
        state.output.note(raw.decode().rstrip())
    if code := await process.wait():
        raise FailedError(f"rotate-now ended with exit code {code}")


async def rotated(state: State, gateway: DemoGateway) -> None:
    """Wait until the daemon logs the rotation of this gateway, then verify it."""

    def ended(line: Json) -> bool:
        return line["event"] == "rotation" and line["gateway"] == gateway.name and "Issue" in line["steps"]

    line = await state.daemon.line(ended, STEP_TIMEOUT)
    if line["result"] != "rotated":
        raise FailedError(f"{gateway.name}: {line['result']} ({line.get('error', line['reason'])})")
    await verify(state, gateway)


async def verify(state: State, gateway: DemoGateway) -> None:
    """Check in Azure that every pod authenticates with the new token that the Secret records."""
    place = state.deployed[gateway.name]
    secret = state.sandbox.cluster.get("Secret", place.namespace, place.secret)
    annotations = (secret or {}).get("metadata", {}).get("annotations", {})
    new = annotations.get("apim-token-rotator/fingerprint")
    pods = [pod for pod in await state.sandbox.pods() if pod.gateway == gateway.name]
    if not pods or new == place.token_fingerprint:
        raise FailedError(f"{gateway.name}: no new token")
    if failed := [pod.name for pod in pods if not pod.ok or pod.fingerprint != new]:
        raise FailedError(f"{gateway.name}: {', '.join(failed)} cannot authenticate with the new token")
    before = state.pods_before[gateway.name]
    state.output.rotated(gateway, place, annotations, before, [pod.name for pod in pods])


async def pod_names(sandbox: Sandbox) -> dict[str, list[str]]:
    """Return the names of each gateway's pods."""
    pods = await sandbox.pods()
    return {gateway.name: [pod.name for pod in pods if pod.gateway == gateway.name] for gateway in GATEWAYS}
