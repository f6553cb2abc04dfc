"""I1, I3, I6, I7 on a real control plane: SIGKILL around each effect, and the next process meets a fault.

A subset of tests/process/test_fault_matrix.py, which has every point with every fault: here each point is met
once, by turns before and after its effect, and each fault by several.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from rotator.core.records import Key
from tests import crashes
from tests.cluster.e2e.fleet import Order
from tests.cluster.e2e.pods import breaks, fingerprints, restored
from tests.cluster.e2e.process_env import WAIT_TIMEOUT, ClusterEnv
from tests.process.crash_points import (
    REVOCATION,
    ROLL_BACK,
    ROTATION,
    Call,
    CrashPoint,
    crash_after,
    crash_before,
)
from tests.process.test_fault_matrix import FAULTS, Fault, no_value_leaked, spoil

NOTHING, CUT, REFUSED = (
    next(fault for fault in FAULTS if fault.name == name)
    for name in ("nothing", "cut after acting", "503 after acting")
)
FAST_CHECKS = 'recheck = "1s"\nlook_every = "1s"\n'
REVOKING = FAST_CHECKS + 'revoke = "after-verify"\nrevoke_after = "1s"\n'


@dataclass(frozen=True, slots=True)
class Case:
    """Where the first process is killed, and which fault the second one meets."""

    point: CrashPoint
    fault: Fault

    def __str__(self) -> str:
        return f"{self.point}, {self.fault}"


def each_once(calls: list[Call]) -> list[Case]:
    """Each call once."""
    return [
        Case((crash_before, crash_after)[n % 2](call.name), (NOTHING, CUT, REFUSED)[n % 3])
        for n, call in enumerate(calls)
    ]


TWICE = [
    # what must not happen again: with the effect, and with the fault that hides the next one
    Case(crash_after("issue"), REFUSED),
    Case(crash_after("regenerate"), CUT),
]
CASES = [*each_once([*ROTATION, *REVOCATION]), *TWICE, *each_once(ROLL_BACK)]
PAIRS = list(zip(CASES[::2], CASES[1::2], strict=True))


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: " | ".join(map(str, pair)))
async def test_a_crash_is_survived(
    faulty_envs: list[ClusterEnv], pair: tuple[Case, Case], request: pytest.FixtureRequest
):
    """Two cases at a time, each with an Azure, a gateway and daemons of its own: most of it is waiting."""
    async with asyncio.TaskGroup() as both:
        for env, case in zip(faulty_envs, pair, strict=True):
            survived = roll_back_survives if case.point.in_roll_back else rotation_survives
            both.create_task(survived(env, case))
    for case in pair:
        crashes.note(request.node, "a real control plane", str(case.point), str(case.fault))


async def kill_at(env: ClusterEnv, case: Case):
    """Have a daemon adopt the gateway and receive a near-expiry event; kill it at the point."""
    env.webhook = True
    (place,) = await env.deploy(Order("oslo", days=20))
    async with env.daemon() as daemon:
        await daemon.line(lambda x: x["event"] == "rotation" and x["result"] == "adopted", WAIT_TIMEOUT)
        if case.point.in_roll_back:
            breaks(env, place)
        reached = case.point.hold(env.sandbox.faults)
        await env.deliver_near_expiry(place)
        await reached.hit()
        await daemon.kill()
    env.sandbox.faults.clear()
    return place


def issued(place) -> int:
    """How many tokens of the standby key Azure gave out that end later than the first one."""
    first, *later = place.gateway.minted
    made = {m.fingerprint for m in later if m.key == Key.SECONDARY and m.expires_at > first.expires_at}
    return len(made)


def regenerations(place) -> int:
    return sum(place.gateway.generations.values()) - len(Key)


async def rotation_survives(env: ClusterEnv, case: Case) -> None:
    env.settings = REVOKING
    place = await kill_at(env, case)
    spoil(env, case.fault)
    async with env.daemon() as daemon:
        await env.sandbox.eventgrid.settled()
        await env.renewed()
        await daemon.line(lambda x: regenerations(place) > 0 and x["event"] == "rotation", WAIT_TIMEOUT)
    assert (await env.notes(place))["revision"] == "1"
    assert 1 <= issued(place) <= 2, "at most one token more than needed"
    assert len(await env.world.api.list("ReplicaSet", place.namespace)) == 2, "one rollout"
    assert 1 <= regenerations(place) <= 2
    await env.every_pod_runs_the_new_token()
    no_value_leaked(daemon)


async def roll_back_survives(env: ClusterEnv, case: Case) -> None:
    env.settings = FAST_CHECKS + 'rollout_timeout = "2s"\n'
    place = await kill_at(env, case)
    spoil(env, case.fault)
    async with env.daemon() as daemon:
        await env.sandbox.eventgrid.settled()
        await env.until(place, lambda n: n["fingerprint"] == place.token_fingerprint)
        await restored(env, place)
        await daemon.line(lambda x: x["event"] == "rotation" and x["result"] == "rested", WAIT_TIMEOUT)
    notes = await env.notes(place)
    assert notes["failures"] == "1" and "retry-at" in notes
    assert 1 <= issued(place) <= 2
    assert len(await env.world.api.list("ReplicaSet", place.namespace)) == 2
    assert await fingerprints(env, place) == {place.token_fingerprint}
    no_value_leaked(daemon)
