"""What the towns with several clusters, daemons and clocks are made of works, before anything is built on it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import rotator
from rotator.config.load import load
from sandbox.names import HOME
from tests.process import settings, skewed
from tests.process.multi_cluster_env import County
from tests.process.process_env import PATIENCE

pytestmark = pytest.mark.process
ROOT = Path(rotator.__file__).parent


async def test_a_gateway_in_two_clusters_is_rotated_in_both(county: County) -> None:
    await county.settle_in("oslo", HOME, "harbour", days=3)
    async with county.replicas(0):
        await county.rests_at("oslo", 1)
    (token,) = county.minted("oslo")
    assert await county.everywhere("oslo") == {HOME: {(token, True)}, "harbour": {(token, True)}}


async def test_three_replicas_and_a_command_issue_one_token(county: County) -> None:
    county.settings = settings.HASTY
    await county.settle_in("oslo", HOME, days=3)
    async with county.replicas(0, 0, 0):
        process = await county.tool("rotate-now", "oslo", "--no-wait")
        await process.communicate()
        await county.rests_at("oslo", 1)
    assert len(county.minted("oslo")) == 1


@pytest.mark.parametrize("skew", [-600, 600])
async def test_a_daemon_by_a_wrong_clock_says_so_and_rotates(county: County, skew: int) -> None:
    await county.settle_in("oslo", HOME, days=3)
    async with county.replicas(skew) as (daemon,):
        await county.rests_at("oslo", 1)
        line = await daemon.line(lambda x: "clock is" in x["event"], PATIENCE)
    assert line["level"] == "warning"
    assert abs(line["seconds"] + skew) < 30
    ((_, ok),) = (await county.everywhere("oslo"))[HOME]
    assert ok


def test_whoever_reads_the_time_of_day_can_be_given_a_wrong_one() -> None:
    own = (p for p in ROOT.rglob("*.py") if not {"sandbox", "demo"} & set(p.relative_to(ROOT).parts))
    reading = {p for p in own if re.search(r"datetime\.(now|utcnow)\(|time\.time\(\)", p.read_text())}
    names = {".".join(("rotator", *p.relative_to(ROOT).with_suffix("").parts)) for p in reading}
    assert names <= set(skewed.MODULES)


@pytest.mark.parametrize(
    "lines",
    [
        settings.HASTY + settings.FROZEN,
        settings.ALWAYS_OPEN,
        settings.shut(),
        settings.revoking("before-reuse") + settings.timing_out(),
        settings.revoking("after-verify", "1s") + settings.timing_out("3s", roll_back=False),
    ],
)
async def test_the_settings_are_read(county: County, lines: str) -> None:
    await county.settle_in("oslo", "hill")
    county.settings, county.policies["oslo"] = lines, 'token_lifetime = "28d"\n'
    (gateway,) = load(county.config, {}).gateways
    assert [target.context for target in gateway.targets] == ["hill"]


async def test_an_outage_holds_up_its_own_cluster_only_and_ends(county: County) -> None:
    county.settings = settings.HASTY
    await county.settle_in("oslo", HOME, days=3)
    await county.settle_in("bergen", "hill", days=3)
    await county.sandbox.sites["hill"].outage()
    async with county.replicas(0):
        await county.rests_at("oslo", 1)
        assert county.notes("bergen") == {}
        await county.sandbox.sites["hill"].recover()
        await county.rests_at("bergen", 1)


async def test_a_tool_that_gives_up_is_outlasted(county: County) -> None:
    """It puts the old token back once, in the middle of a rotation."""
    county.settings = settings.HASTY
    (place,) = await county.settle_in("oslo", HOME, days=3)
    where = ("Secret", place.namespace, place.secret)
    fight = county.sandbox.strangers.fight(*where, manager="helm", times=1)
    async with county.replicas(0):
        await county.cluster().wait_for(lambda _: fight.done == 1, PATIENCE)
        await county.cluster().wait_for(lambda _: "disturbed-at" in county.notes("oslo"), PATIENCE)
        assert county.secret(place)["data"] != fight.origin["data"]
