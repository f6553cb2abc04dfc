"""The environment with several clusters, daemons and clocks works as the other tests here need it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import rotator
from rotator.config.load import load
from sandbox.names import HOME
from tests.process import default_settings, skewed
from tests.process.multi_cluster_env import MultiClusterEnv
from tests.process.process_env import WAIT_TIMEOUT

pytestmark = pytest.mark.process
ROOT = Path(rotator.__file__).parent


async def test_a_gateway_in_two_clusters_is_rotated_in_both(multi_env: MultiClusterEnv) -> None:
    await multi_env.deploy_in("oslo", HOME, "harbour", days=3)
    async with multi_env.replicas(0):
        await multi_env.verified_at("oslo", 1)
    (token,) = multi_env.minted("oslo")
    assert await multi_env.tokens_by_cluster("oslo") == {HOME: {(token, True)}, "harbour": {(token, True)}}


async def test_three_replicas_and_a_command_issue_one_token(multi_env: MultiClusterEnv) -> None:
    multi_env.settings = default_settings.FAST_CHECKS
    await multi_env.deploy_in("oslo", HOME, days=3)
    async with multi_env.replicas(0, 0, 0):
        process = await multi_env.tool("rotate-now", "oslo", "--no-wait")
        await process.communicate()
        await multi_env.verified_at("oslo", 1)
    assert len(multi_env.minted("oslo")) == 1


@pytest.mark.parametrize("skew", [-600, 600])
async def test_a_daemon_by_a_wrong_clock_says_so_and_rotates(multi_env: MultiClusterEnv, skew: int) -> None:
    await multi_env.deploy_in("oslo", HOME, days=3)
    async with multi_env.replicas(skew) as (daemon,):
        await multi_env.verified_at("oslo", 1)
        line = await daemon.line(lambda x: "clock is" in x["event"], WAIT_TIMEOUT)
    assert line["level"] == "warning"
    assert abs(line["seconds"] + skew) < 30
    ((_, ok),) = (await multi_env.tokens_by_cluster("oslo"))[HOME]
    assert ok


def test_a_process_can_be_given_a_wrong_time_of_day() -> None:
    own = (p for p in ROOT.rglob("*.py") if not {"sandbox", "demo"} & set(p.relative_to(ROOT).parts))
    reading = {p for p in own if re.search(r"datetime\.(now|utcnow)\(|time\.time\(\)", p.read_text())}
    names = {".".join(("rotator", *p.relative_to(ROOT).with_suffix("").parts)) for p in reading}
    assert names <= set(skewed.MODULES)


@pytest.mark.parametrize(
    "lines",
    [
        default_settings.FAST_CHECKS + default_settings.FREEZE,
        default_settings.ALWAYS_OPEN,
        default_settings.closed_window(),
        default_settings.revoking("before-reuse") + default_settings.timing_out(),
        default_settings.revoking("after-verify", "1s") + default_settings.timing_out("3s", roll_back=False),
    ],
)
async def test_the_settings_are_read(multi_env: MultiClusterEnv, lines: str) -> None:
    await multi_env.deploy_in("oslo", "hill")
    multi_env.settings, multi_env.policies["oslo"] = lines, 'token_lifetime = "28d"\n'
    (gateway,) = load(multi_env.config, {}).gateways
    assert [target.context for target in gateway.targets] == ["hill"]


async def test_an_outage_holds_up_its_own_cluster_only_and_ends(multi_env: MultiClusterEnv) -> None:
    multi_env.settings = default_settings.FAST_CHECKS
    await multi_env.deploy_in("oslo", HOME, days=3)
    await multi_env.deploy_in("bergen", "hill", days=3)
    await multi_env.sandbox.clusters["hill"].outage()
    async with multi_env.replicas(0):
        await multi_env.verified_at("oslo", 1)
        assert multi_env.notes("bergen") == {}
        await multi_env.sandbox.clusters["hill"].recover()
        await multi_env.verified_at("bergen", 1)


async def test_a_tool_that_gives_up_is_outlasted(multi_env: MultiClusterEnv) -> None:
    """It puts the old token back once, in the middle of a rotation."""
    multi_env.settings = default_settings.FAST_CHECKS
    (place,) = await multi_env.deploy_in("oslo", HOME, days=3)
    where = ("Secret", place.namespace, place.secret)
    writer = multi_env.sandbox.conflicting_writers.start(*where, manager="helm", times=1)
    async with multi_env.replicas(0):
        await multi_env.cluster().wait_for(lambda _: writer.restored == 1, WAIT_TIMEOUT)
        await multi_env.cluster().wait_for(lambda _: "disturbed-at" in multi_env.notes("oslo"), WAIT_TIMEOUT)
        assert multi_env.secret(place)["data"] != writer.original["data"]
