"""I3, I8: a daemon process is killed (SIGKILL) at each step boundary, and another one goes on."""

from __future__ import annotations

from typing import Literal

import pytest

from tests.process.process_env import PATIENCE, Town

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
    town: Town, server: str, method: str, skip: int, what: str, when: Literal["before", "after"]
) -> None:
    """The call is held before (after) the server acts on it; the process dies there."""
    await town.settle("oslo", replicas=2)
    async with town.daemon():
        await town.adopted("oslo")
    async with town.daemon() as daemon:
        point = town.sandbox.faults.add(
            server=server, method=method, path=NO_EVENTS, skip=skip, when=when, action="hang"
        )
        await town.complain("oslo", daemon)
        await point.hit()
        await daemon.kill()
    town.sandbox.faults.clear()
    async with town.daemon():
        await town.rests_at("oslo", 1)
        await town.sandbox.eventgrid.settled()
    assert len(town.minted("oslo")) <= 2
    assert town.rollouts("oslo") == 2
    await town.pods_run_the_secrets_token("oslo")


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_daemon_killed_while_it_adopts_adopts_again(
    town: Town, when: Literal["before", "after"]
) -> None:
    await town.settle("oslo")
    point = town.sandbox.faults.add(
        server="kubernetes", method="PATCH", path="/secrets/", when=when, action="hang"
    )
    async with town.daemon() as daemon:
        await point.hit()
        await daemon.kill()
    town.sandbox.faults.clear()
    async with town.daemon():
        await town.adopted("oslo")
    assert town.minted("oslo") == set() and town.rollouts("oslo") == 1


async def test_another_pod_takes_over_when_the_lease_has_run_out(town: Town) -> None:
    await town.settle("oslo", days=3)
    point = town.sandbox.faults.add(server="arm", method="POST", path="generateToken", skip=1, action="hang")
    async with town.daemon("rotator-0") as daemon:
        await point.hit()
        await daemon.kill()
    town.sandbox.faults.clear()
    async with town.daemon("rotator-1") as daemon:
        await daemon.line(lambda x: x["event"] == "rotation" and "Busy" in x.get("error", ""), PATIENCE)
        await town.rests_at("oslo", 1)
    await town.pods_run_the_secrets_token("oslo")
