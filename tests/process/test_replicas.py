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
from tests.loop_clock import Later
from tests.process import default_settings
from tests.process.multi_cluster_env import MultiClusterEnv
from tests.process.process_env import WAIT_TIMEOUT

pytestmark = pytest.mark.process
FLEET = ("oslo", "bergen", "tromso", "voss", "hamar", "bodo")


async def deploy_all(multi_env: MultiClusterEnv, days: float = 3) -> None:
    for n, gateway in enumerate(FLEET):
        await multi_env.deploy_in(gateway, *((HOME, "harbour") if n % 2 else (HOME,)), days=days)


def workers(daemons: Sequence[Daemon]) -> set[int]:
    """Which of the daemons rotated at least one gateway."""
    rotated = {n for n, d in enumerate(daemons) for x in d.lines if x.get("result") == "rotated"}
    return {n for n in rotated if any(x["event"] == "rotation" for x in daemons[n].lines)}


async def all_rest_at(multi_env: MultiClusterEnv, revision: int) -> None:
    async with asyncio.timeout(2 * WAIT_TIMEOUT):
        for gateway in FLEET:
            await multi_env.verified_at(gateway, revision)


async def every_pod_runs_its_token(multi_env: MultiClusterEnv) -> None:
    for gateway in FLEET:
        for name, seen in (await multi_env.tokens_by_cluster(gateway)).items():
            assert seen == {(multi_env.notes(gateway, name)["fingerprint"], True)}, gateway


async def test_three_daemons_ten_minutes_apart_and_a_command_rotate_each_gateway_once(
    multi_env: MultiClusterEnv,
) -> None:
    multi_env.settings = default_settings.FAST_CHECKS
    await deploy_all(multi_env)
    async with multi_env.replicas(0, 600, -600) as daemons:
        command = await multi_env.tool("rotate-now", "--all", "--no-wait")
        await command.communicate()
        await all_rest_at(multi_env, 1)
        async with asyncio.timeout(WAIT_TIMEOUT):
            await daemons[0].line(
                lambda x: x["event"] == "rotation" and x["result"] == "rested", WAIT_TIMEOUT
            )
    assert {g: len(multi_env.minted(g)) for g in FLEET} == dict.fromkeys(FLEET, 1)
    assert {g: multi_env.rollouts(g) for g in FLEET} == dict.fromkeys(FLEET, 2)
    await every_pod_runs_its_token(multi_env)


@pytest.mark.parametrize("skew", [-600, 600])
async def test_records_go_by_the_clusters_clock(multi_env: MultiClusterEnv, skew: int) -> None:
    """A pod's start is stamped by the cluster: what it is compared with has to be, too."""
    await multi_env.deploy_in("oslo", HOME, days=3)
    async with multi_env.replicas(skew):
        await multi_env.verified_at("oslo", 1)
    now = datetime.now(UTC)
    stamps = [datetime.fromisoformat(multi_env.notes("oslo")[fact]) for fact in ("issued-at", "verified-at")]
    assert all(abs(now - at) < timedelta(minutes=5) for at in stamps)
    assert abs(multi_env.expiry("oslo") - now - timedelta(days=29)) < timedelta(minutes=5)


async def test_daemons_that_die_at_any_moment_lose_nothing(multi_env: MultiClusterEnv) -> None:
    """Each of three daemons is killed while it works, one after the other; a fourth finds what is left."""
    multi_env.settings = default_settings.FAST_CHECKS
    await deploy_all(multi_env)
    kills = 0
    for skip in (1, 4, 7):
        async with multi_env.replicas(0, 0) as (victim, _):
            point = multi_env.sandbox.faults.add(
                server="kubernetes", method="PATCH", path="/secrets/", skip=skip, action="hang", when="after"
            )
            try:
                async with asyncio.timeout(5):
                    await point.hit()
            except TimeoutError:
                pass  # nothing is left to be done
            await victim.kill()
            kills += 1
            multi_env.sandbox.faults.clear()
    async with multi_env.replicas(0):
        await all_rest_at(multi_env, 1)
    issued = sum(len(multi_env.minted(g)) for g in FLEET)
    assert len(FLEET) <= issued <= len(FLEET) + kills
    await every_pod_runs_its_token(multi_env)


async def test_a_daemon_that_was_stopped_for_too_long_writes_nothing_more(
    multi_env: MultiClusterEnv, later: Later
) -> None:
    """SIGSTOP while it holds the Lease; another takes over and ends the work; SIGCONT."""
    await multi_env.deploy_in("oslo", HOME, days=3)
    point = multi_env.sandbox.faults.add(
        server="arm", method="POST", path="generateToken", skip=1, action="latency", seconds=60
    )
    async with multi_env.replicas(0) as (sleeper,):
        await point.hit()
        sleeper.process.send_signal(signal.SIGSTOP)
        await later.by(60)  # the answer is there when the daemon goes on
        try:
            async with multi_env.process("rotator-9") as successor:
                await successor.line(lambda x: x["event"] == "ready", WAIT_TIMEOUT)
                await multi_env.verified_at("oslo", 1)
                before = multi_env.writes()
                token = multi_env.notes("oslo")["fingerprint"]
        finally:
            sleeper.process.send_signal(signal.SIGCONT)
        await sleeper.line(lambda x: x["event"] == "rotation", WAIT_TIMEOUT)
    after = [w for w in multi_env.writes()[len(before) :] if "/secrets/" in w[1] or "/deployments/" in w[1]]
    assert after == [] and multi_env.notes("oslo")["fingerprint"] == token
    assert multi_env.rollouts("oslo") == 2


async def test_work_is_shared(multi_env: MultiClusterEnv, later: Later) -> None:
    """The Lease is one gateway's: what one daemon has no time for, the other one does."""
    one_at_a_time = "[rotation]\nmax_concurrent_rotations = 1\n"
    multi_env.settings = default_settings.FAST_CHECKS + one_at_a_time
    await deploy_all(multi_env, days=20)
    async with multi_env.replicas(0, 0) as daemons:
        for gateway in FLEET:
            await multi_env.adopted(gateway)
        held = multi_env.sandbox.faults.add(
            server="kubernetes", method="PATCH", path="/deployments/", action="latency", seconds=60, times=2
        )
        command = await multi_env.tool("rotate-now", "--all", "--no-wait")
        await command.communicate()
        await held.hit(2)  # at the same time, so they are not one daemon's
        await later.by(60)
        await all_rest_at(multi_env, 1)
        assert workers(daemons) == {0, 1}
    assert {g: len(multi_env.minted(g)) for g in FLEET} == dict.fromkeys(FLEET, 1)
