"""The play: three rotations by three triggers, then the proof."""

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
from sandbox.demo.interactive import keep_running
from sandbox.demo.output import Programme
from sandbox.demo.process import Daemon, DaemonError, Json
from sandbox.demo.setup import CAST, Role, environment, set_up
from sandbox.demo.state import Stage

PATIENCE = 20.0
"""Seconds for one rotation, which takes about two."""


class FailedError(Exception):
    """The demo did not show what it promises."""


def demo(*, keep: bool) -> Exit:
    """Play, and return 0 if everything was shown."""
    programme = Programme()
    with tempfile.TemporaryDirectory(prefix="rotator-demo-") as directory:
        try:
            asyncio.run(play(Path(directory), programme, keep=keep))
        except (FailedError, DaemonError, TimeoutError) as error:
            programme.failed(str(error) or type(error).__name__)
            return Exit.UNSETTLED
        except KeyboardInterrupt:
            return Exit.INTERRUPTED
    return Exit.OK


async def play(directory: Path, programme: Programme, *, keep: bool) -> None:
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        programme.act("Setting the stage: Azure, Event Grid, a cluster, three gateways (sandbox, real HTTP)")
        sandbox = await stack.enter_async_context(Sandbox(directory, ready_delay=0.5, term_delay=0.3))
        config, deployed = await set_up(sandbox, directory)
        for role in CAST:
            programme.gateway(role, deployed[role.gateway])
        daemon = Daemon(str(config), environment(sandbox), programme.line)
        stage = Stage(sandbox, daemon, config, deployed, programme)
        stage.before = await pods(stage)
        programme.act("`rotator run` starts, as a process of its own")
        await stack.enter_async_context(daemon)
        try:
            await acts(stage)
            await curtain(stage, time.monotonic() - began)
        except (FailedError, DaemonError, TimeoutError):
            programme.evidence(daemon.lines)
            raise
        if keep:
            await keep_running(stage, directory)


async def acts(stage: Stage) -> None:
    await stage.daemon.line(lambda x: x["event"] == "started", PATIENCE)
    by_schedule, by_event, by_hand = CAST
    stage.programme.role(by_schedule)
    await rotated(stage, by_schedule)
    await stage.daemon.line(lambda x: x["event"] == "ready", PATIENCE)
    stage.programme.role(by_event)
    await near_expiry(stage, by_event)
    await rotated(stage, by_event)
    stage.programme.role(by_hand)
    await rotate_now(stage, by_hand)
    await proven(stage, by_hand)


async def near_expiry(stage: Stage, role: Role) -> None:
    """Subscribe the webhook, which shakes hands, and let Azure say that the token nears its expiry."""
    endpoint = f"http://127.0.0.1:{stage.ports()['webhook']}/events"
    async with aiohttp.ClientSession() as http:
        for path, body in (
            ("/subscriptions", {"endpoint": endpoint, "schema": "eventgrid"}),
            ("/events", {"gateway": role.gateway, "kind": "near-expiry", "count": 3}),
        ):
            async with http.post(stage.sandbox.control_url + path, json=body) as answer:
                if answer.status >= 300:
                    raise FailedError(f"Event Grid: {await answer.text()}")
    stage.programme.note("Event Grid shook hands with the webhook, and delivered three near-expiry events")


async def rotate_now(stage: Stage, role: Role) -> None:
    command = (sys.executable, "-m", "rotator", "rotate-now", role.gateway, "--config", str(stage.config))
    process = await asyncio.create_subprocess_exec(
        *command, env=environment(stage.sandbox), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout  # noqa: S101 - it was asked for
    async for raw in process.stdout:
        stage.programme.note(raw.decode().rstrip())
    if code := await process.wait():
        raise FailedError(f"rotate-now ended with exit code {code}")


async def rotated(stage: Stage, role: Role) -> None:
    """Wait for the daemon's canonical line about the gateway, then for the proof."""

    def ended(x: Json) -> bool:
        return x["event"] == "rotation" and x["gateway"] == role.gateway and "Issue" in x["steps"]

    line = await stage.daemon.line(ended, PATIENCE)
    if line["result"] != "rotated":
        raise FailedError(f"{role.gateway}: {line['result']} ({line.get('error', line['reason'])})")
    await proven(stage, role)


async def proven(stage: Stage, role: Role) -> None:
    """Check with Azure's own eyes: every pod authenticates, with the token that the Secret records."""
    deployed = stage.deployed[role.gateway]
    secret = stage.sandbox.cluster.get("Secret", deployed.namespace, deployed.secret)
    notes = (secret or {}).get("metadata", {}).get("annotations", {})
    fresh = notes.get("apim-token-rotator/fingerprint")
    mine = [p for p in await stage.sandbox.pods() if p.gateway == role.gateway]
    if not mine or fresh == deployed.token_fingerprint:
        raise FailedError(f"{role.gateway}: no new token")
    if wrong := [p.name for p in mine if not p.ok or p.fingerprint != fresh]:
        raise FailedError(f"{role.gateway}: {', '.join(wrong)} cannot authenticate with the new token")
    stage.programme.proof(role, deployed, notes, stage.before[role.gateway], [p.name for p in mine])


async def pods(stage: Stage) -> dict[str, list[str]]:
    found = await stage.sandbox.pods()
    return {g: [p.name for p in found if p.gateway == g] for g in stage.deployed}


async def curtain(stage: Stage, seconds: float) -> None:
    calls = stage.sandbox.journal.calls("arm", "POST")
    minted = sum("generateToken" in c.path for c in calls)
    stage.programme.summary(seconds, minted)
