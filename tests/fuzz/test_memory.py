"""A flood of requests leaves nothing behind in a daemon process, asked by its own Python."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox import Sandbox
from sandbox.azure.entra import TENANT
from sandbox.azure.events import near_expiry
from sandbox.demo.process import Daemon
from tests.fuzz.edges import AUDIENCE
from tests.fuzz.flood import MOST_BODY, MOST_RATE, SECRET, Flood
from tests.fuzz.weighed import KEEPING
from tests.process.process_env import WAIT_TIMEOUT, ProcessEnv, port

pytestmark = [pytest.mark.process, pytest.mark.timeout(3600)]

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "3000"))
FEW = 2_000
MOST_GROWTH = 100_000
"""Bytes, however many requests there are. Measured: within 20,000, up or down, after 1,000 and after 30,000."""
PROGRAM = (str(Path(__file__).with_name("weighed.py")),)
SHOWN = {
    "mine 200", "foreign 200", "many 200", "by Entra 200", "handshake 200", "OPTIONS 200", "bad OPTIONS 403",
    "wrong secret 401", "wrong bearer 401", "no credential 401", "one source 429", "no JSON 400",
    "too large 413", "text 415", "elsewhere 404", "no HTTP 400",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scales:
    daemon: Daemon
    flood: Flood

    async def weight(self) -> Counter[str]:
        """Return what the daemon holds (bytes, rss) when no connection is left."""
        async with asyncio.timeout(WAIT_TIMEOUT):
            while True:
                self.daemon.lines.clear()
                self.daemon.process.send_signal(signal.SIGUSR1)
                line = await self.daemon.line(lambda x: x["event"] == "weighed", WAIT_TIMEOUT)
                if line["connections"] == 0:
                    return Counter({name: line[name] for name in ("bytes", "rss")})

    async def growth(self, warm_up: int, count: int) -> Counter[str]:
        """Return by how much count requests make the daemon heavier."""
        await self.flood.every_source_once()
        await self.flood.rise(warm_up)
        before = await self.weight()
        await self.flood.rise(count)
        grown = await self.weight()
        grown.subtract(before)
        return grown


@asynccontextmanager
async def scales(tmp_path: Path, **variables: str) -> AsyncIterator[Scales]:
    """A daemon at rest, whose webhook has both kinds of credentials."""
    async with Sandbox(tmp_path, ready_delay=0.1, term_delay=0.05) as sandbox:
        env = ProcessEnv(sandbox, tmp_path)
        await env.deploy("oslo")
        (tmp_path / "secrets").write_text(SECRET)
        door = f"""secret_file = "{tmp_path}/secrets"
max_rate = {MOST_RATE}
max_body_bytes = {MOST_BODY}
trusted_proxies = ["127.0.0.0/8"]
[webhook.entra]
tenant_id = "{TENANT}"
audiences = ["{AUDIENCE}"]
authority = "{sandbox.entra_url}"
"""
        config = tmp_path / "weighed.toml"
        config.write_text(env.config.read_text().replace("allow_unauthenticated = true", door))
        code = str(Path(__file__).parents[2])
        async with Daemon(
            str(config), env.environment() | {"PYTHONPATH": code} | variables, program=PROGRAM
        ) as daemon:
            await daemon.line(lambda x: x["event"] == "ready", WAIT_TIMEOUT)
            await env.adopted("oslo")
            stale = near_expiry(env.azure("oslo"), env.expiry("oslo").replace(year=2001))
            bearer = sandbox.azure.entra.event_grid_token(AUDIENCE)
            yield Scales(daemon, Flood(port(daemon, "webhook"), stale, bearer))


async def test_two_thousand_requests_leave_no_memory_behind(tmp_path: Path) -> None:
    async with scales(tmp_path) as on:
        grown = await on.growth(1_000, FEW)
    assert grown["bytes"] < MOST_GROWTH, grown
    assert set(on.flood.answers) >= SHOWN, on.flood.answers


@pytest.mark.fuzz
async def test_many_thousand_requests_leave_no_more_behind(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    count = 10 * EXAMPLES
    async with scales(tmp_path) as on:
        grown = await on.growth(FEW, count)
    record_property(
        "covered",
        f"memory after {count} more requests to a daemon: {grown['bytes']:+,} bytes of Python's, "
        f"{grown['rss']:+,} of the process",
    )
    assert grown["bytes"] < MOST_GROWTH, grown


@pytest.mark.fuzz
async def test_one_body_in_two_that_is_kept_would_be_noticed(tmp_path: Path) -> None:
    async with scales(tmp_path, **{KEEPING: "2"}) as on:
        grown = await on.growth(1_000, FEW)
    assert grown["bytes"] > MOST_GROWTH, grown
