"""I3, I8: a daemon process is killed (SIGKILL) at each step boundary, and another one goes on."""

from __future__ import annotations

from typing import Literal

import pytest

from tests.process.process_env import WAIT_TIMEOUT, ProcessEnv

pytestmark = pytest.mark.process

NO_EVENTS = r"^(?!.*/events)"
BOUNDARIES = [
    ("kubernetes", "PATCH", 0, "the request is noted"),
    ("kubernetes", "PATCH", 1, "the Lease is taken"),
    ("arm", "POST", 0, "a token is issued"),
    ("kubernetes", "PATCH", 2, "the token is written"),
    ("kubernetes", "PATCH", 3, "the workload is restarted"),
    ("kubernetes", "PATCH", 4, "the token is verified"),
    ("kubernetes", "PATCH", 5, "the Lease is released"),
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("server", "method", "skip", "what"), BOUNDARIES, ids=[b[3] for b in BOUNDARIES])
async def test_a_daemon_killed_anywhere_costs_at_most_one_token(
    env: ProcessEnv, server: str, method: str, skip: int, what: str, when: Literal["before", "after"]
) -> None:
    """The call is held before (after) the server acts on it; the process dies there."""
    await env.deploy("oslo", replicas=2)
    async with env.daemon():
        await env.adopted("oslo")
    async with env.daemon() as daemon:
        point = env.sandbox.faults.add(
            server=server, method=method, path=NO_EVENTS, skip=skip, when=when, action="hang"
        )
        await env.deliver_near_expiry("oslo", daemon)
        await point.hit()
        await daemon.kill()
    env.sandbox.faults.clear()
    async with env.daemon():
        await env.verified_at("oslo", 1)
        await env.sandbox.eventgrid.settled()
    assert len(env.minted("oslo")) <= 2
    assert env.rollouts("oslo") == 2
    await env.pods_run_the_secrets_token("oslo")


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_daemon_killed_while_it_adopts_adopts_again(
    env: ProcessEnv, when: Literal["before", "after"]
) -> None:
    await env.deploy("oslo")
    point = env.sandbox.faults.add(
        server="kubernetes", method="PATCH", path="/secrets/", when=when, action="hang"
    )
    async with env.daemon() as daemon:
        await point.hit()
        await daemon.kill()
    env.sandbox.faults.clear()
    async with env.daemon():
        await env.adopted("oslo")
    assert env.minted("oslo") == set() and env.rollouts("oslo") == 1


async def test_another_pod_takes_over_when_the_lease_has_run_out(env: ProcessEnv) -> None:
    await env.deploy("oslo", days=3)
    point = env.sandbox.faults.add(server="arm", method="POST", path="generateToken", skip=1, action="hang")
    async with env.daemon("rotator-0") as daemon:
        await point.hit()
        await daemon.kill()
    env.sandbox.faults.clear()
    async with env.daemon("rotator-1") as daemon:
        await daemon.line(lambda x: x["event"] == "rotation" and "Busy" in x.get("error", ""), WAIT_TIMEOUT)
        await env.verified_at("oslo", 1)
    await env.pods_run_the_secrets_token("oslo")
