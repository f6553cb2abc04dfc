"""I3, I8: a daemon process is killed (SIGKILL) around each call of a rotation, and another one goes on."""

from __future__ import annotations

import pytest

from tests.process.crash_points import ROTATION, CrashPoint, crash_after, crash_around, crash_before
from tests.process.process_env import WAIT_TIMEOUT, ProcessEnv

pytestmark = pytest.mark.process


@pytest.mark.parametrize("point", crash_around(ROTATION), ids=str)
async def test_a_daemon_killed_anywhere_costs_at_most_one_token(env: ProcessEnv, point: CrashPoint) -> None:
    """The call is held before (after) the server acts on it; the process dies there."""
    await env.deploy("oslo", replicas=2)
    async with env.daemon():
        await env.adopted("oslo")
    async with env.daemon() as daemon:
        reached = point.hold(env.sandbox.faults)
        await env.deliver_near_expiry("oslo", daemon)
        await reached.hit()
        await daemon.kill()
    env.sandbox.faults.clear()
    async with env.daemon():
        await env.verified_at("oslo", 1)
        await env.sandbox.eventgrid.settled()
    assert len(env.minted("oslo")) <= 2
    assert env.rollouts("oslo") == 2
    await env.pods_run_the_secrets_token("oslo")


@pytest.mark.parametrize("point", [crash_before("adopt"), crash_after("adopt")], ids=str)
async def test_a_daemon_killed_while_it_adopts_adopts_again(env: ProcessEnv, point: CrashPoint) -> None:
    await env.deploy("oslo")
    reached = point.hold(env.sandbox.faults)
    async with env.daemon() as daemon:
        await reached.hit()
        await daemon.kill()
    env.sandbox.faults.clear()
    async with env.daemon():
        await env.adopted("oslo")
    assert env.minted("oslo") == set() and env.rollouts("oslo") == 1


async def test_another_pod_takes_over_when_the_lease_has_run_out(env: ProcessEnv) -> None:
    await env.deploy("oslo", days=3)
    reached = crash_before("issue_after_adoption").hold(env.sandbox.faults)
    async with env.daemon("rotator-0") as daemon:
        await reached.hit()
        await daemon.kill()
    env.sandbox.faults.clear()
    async with env.daemon("rotator-1") as daemon:
        await daemon.line(lambda x: x["event"] == "rotation" and "Busy" in x.get("error", ""), WAIT_TIMEOUT)
        await env.verified_at("oslo", 1)
    await env.pods_run_the_secrets_token("oslo")
