"""I6 on real processes: several daemons and a command on one fleet; any of them may die, stall, or be wrong
about the time.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from sandbox.demo.process import Daemon
from sandbox.names import HOME
from tests.process import settings
from tests.process.multi_cluster_env import County
from tests.process.process_env import PATIENCE

pytestmark = pytest.mark.process
FLEET = ("oslo", "bergen", "tromso", "voss", "hamar", "bodo")


async def settle_all(county: County, days: float = 3) -> None:
    for n, gateway in enumerate(FLEET):
        await county.settle_in(gateway, *((HOME, "harbour") if n % 2 else (HOME,)), days=days)


def workers(daemons: Sequence[Daemon]) -> set[int]:
    """Which of the daemons rotated at least one gateway."""
    rotated = {n for n, d in enumerate(daemons) for x in d.lines if x.get("result") == "rotated"}
    return {n for n in rotated if any(x["event"] == "rotation" for x in daemons[n].lines)}


async def all_rest_at(county: County, revision: int) -> None:
    async with asyncio.timeout(2 * PATIENCE):
        for gateway in FLEET:
            await county.rests_at(gateway, revision)


async def every_pod_runs_its_token(county: County) -> None:
    for gateway in FLEET:
        for name, seen in (await county.everywhere(gateway)).items():
            assert seen == {(county.notes(gateway, name)["fingerprint"], True)}, gateway


async def test_three_daemons_ten_minutes_apart_and_a_command_rotate_each_gateway_once(county: County) -> None:
    county.settings = settings.HASTY
    await settle_all(county)
    async with county.replicas(0, 600, -600) as daemons:
        command = await county.tool("rotate-now", "--all", "--no-wait")
        await command.communicate()
        await all_rest_at(county, 1)
        async with asyncio.timeout(PATIENCE):
            await daemons[0].line(lambda x: x["event"] == "rotation" and x["result"] == "rested", PATIENCE)
    assert {g: len(county.minted(g)) for g in FLEET} == dict.fromkeys(FLEET, 1)
    assert {g: county.rollouts(g) for g in FLEET} == dict.fromkeys(FLEET, 2)
    await every_pod_runs_its_token(county)


@pytest.mark.parametrize("skew", [-600, 600])
async def test_records_go_by_the_clusters_clock(county: County, skew: int) -> None:
    """A pod's start is stamped by the cluster: what it is compared with has to be, too."""
    await county.settle_in("oslo", HOME, days=3)
    async with county.replicas(skew):
        await county.rests_at("oslo", 1)
    now = datetime.now(UTC)
    stamps = [datetime.fromisoformat(county.notes("oslo")[fact]) for fact in ("issued-at", "verified-at")]
    assert all(abs(now - at) < timedelta(seconds=60) for at in stamps)
    assert abs(county.expiry("oslo") - now - timedelta(days=29)) < timedelta(minutes=2)


async def test_daemons_that_die_at_any_moment_lose_nothing(county: County) -> None:
    """Each of three daemons is killed while it works, one after the other; a fourth finds what is left."""
    county.settings = settings.HASTY
    await settle_all(county)
    kills = 0
    for skip in (1, 4, 7):
        async with county.replicas(0, 0) as (victim, _):
            point = county.sandbox.faults.add(
                server="kubernetes", method="PATCH", path="/secrets/", skip=skip, action="hang", when="after"
            )
            try:
                async with asyncio.timeout(5):
                    await point.hit()
            except TimeoutError:
                pass  # nothing is left to be done
            await victim.kill()
            kills += 1
            county.sandbox.faults.clear()
    async with county.replicas(0):
        await all_rest_at(county, 1)
    issued = sum(len(county.minted(g)) for g in FLEET)
    assert len(FLEET) <= issued <= len(FLEET) + kills
    await every_pod_runs_its_token(county)


async def test_a_daemon_that_was_stopped_for_too_long_writes_nothing_more(county: County) -> None:
    """SIGSTOP while it holds the Lease; another takes over and ends the work; SIGCONT."""
    await county.settle_in("oslo", HOME, days=3)
    point = county.sandbox.faults.add(
        server="arm", method="POST", path="generateToken", skip=1, action="latency", seconds=0.5
    )
    async with county.replicas(0) as (sleeper,):
        await point.hit()
        sleeper.process.send_signal(signal.SIGSTOP)
        try:
            async with county.process("rotator-9") as successor:
                await successor.line(lambda x: x["event"] == "ready", PATIENCE)
                await county.rests_at("oslo", 1)
                before = county.writes()
                token = county.notes("oslo")["fingerprint"]
        finally:
            sleeper.process.send_signal(signal.SIGCONT)
        await sleeper.line(lambda x: x["event"] == "rotation", PATIENCE)
    after = [w for w in county.writes()[len(before) :] if "/secrets/" in w[1] or "/deployments/" in w[1]]
    assert after == [] and county.notes("oslo")["fingerprint"] == token
    assert county.rollouts("oslo") == 2


async def test_work_is_shared(county: County) -> None:
    """The Lease is one gateway's: what one daemon has no time for, the other one does."""
    one_at_a_time = "[rotation]\nmax_concurrent_rotations = 1\n"
    county.settings = settings.HASTY + one_at_a_time
    await settle_all(county, days=20)
    async with county.replicas(0, 0) as daemons:
        for gateway in FLEET:
            await county.adopted(gateway)
        county.sandbox.faults.add(
            server="arm", method="POST", path="generateToken", action="latency", seconds=0.5, times=None
        )
        command = await county.tool("rotate-now", "--all", "--no-wait")
        await command.communicate()
        await all_rest_at(county, 1)
        assert workers(daemons) == {0, 1}
    assert {g: len(county.minted(g)) for g in FLEET} == dict.fromkeys(FLEET, 1)
