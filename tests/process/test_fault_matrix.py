"""I1, I3, I6, I8 on real processes: SIGKILL around each call of a rotation, and the next process meets a fault.

Each case: a daemon is killed before or after one effect; the one that goes on meets one fault at its first read, its
first write and its first call of Azure. Every case has to end at rest on the same token.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Literal

import pytest

from rotator.core.records import Key
from sandbox.demo.process import Daemon
from tests.process.crash_points import (
    REVOCATION,
    ROLL_BACK,
    ROTATION,
    CrashPoint,
    When,
    crash_around,
)
from tests.process.process_env import WAIT_TIMEOUT, ProcessEnv, is_ready, run_ended


@dataclass(frozen=True, slots=True)
class Fault:
    name: str
    action: Literal["latency", "status", "reset", "hang"]
    when: When = "before"
    status: int = 503

    def __str__(self) -> str:
        return self.name


FAULTS = [
    Fault("nothing", "latency"),
    Fault("500 instead of acting", "status", status=500),
    Fault("503 after acting", "status", "after", 503),
    Fault("429", "status", status=429),
    Fault("cut before acting", "reset"),
    Fault("cut after acting", "reset", "after"),
]


def cases(points: Sequence[CrashPoint]) -> list[tuple[CrashPoint, Fault]]:
    """Return each point with no fault and with one of the others in turn; ALL_FAULTS=1: with every fault."""
    if os.environ.get("ALL_FAULTS"):
        return list(product(points, FAULTS))
    nothing, *others = FAULTS
    return [case for n, p in enumerate(points) for case in ((p, nothing), (p, others[n % len(others)]))]


def spoil(env: ProcessEnv, fault: Fault) -> None:
    """Each of the first read, the first write and the first call of Azure meets the fault."""
    for server, method in (("kubernetes", "GET"), ("kubernetes", "PATCH"), ("arm", "POST")):
        env.sandbox.faults.add(
            server=server,
            method=method,
            action=fault.action,
            when=fault.when,
            status=fault.status,
            retry_after=1,
        )


async def kill_at(env: ProcessEnv, point: CrashPoint) -> None:
    """Have a daemon adopt the gateway and receive a near-expiry event; kill it at the point."""
    await env.deploy("oslo", replicas=2)
    async with env.daemon() as daemon:
        await daemon.line(run_ended("oslo"), WAIT_TIMEOUT)
        if point.in_roll_back:
            deployed = env.gateways["oslo"]
            env.sandbox.cluster.set_pod_fault(
                deployed.namespace, deployed.workload.partition("/")[2], "never-ready"
            )
        reached = point.hold(env.sandbox.faults)
        await env.deliver_near_expiry("oslo", daemon)
        await reached.hit()
        await daemon.kill()
    env.sandbox.faults.clear()


def no_value_leaked(daemon: Daemon) -> None:
    """I7: nothing that looks like a token is in any line."""
    assert not [line for line in daemon.lines if re.search(r"&(amp;)?[0-9]{12}&", str(line))]


def issued(env: ProcessEnv) -> int:
    """How many tokens for the next weeks Azure gave out: asking who signed an old one is no issue."""
    new = datetime.now(UTC) + timedelta(days=25)
    return len(
        {m.fingerprint for m in env.azure("oslo").minted if m.expires_at > new and m.key == Key.SECONDARY}
    )


def regenerations(env: ProcessEnv) -> int:
    return sum(env.azure("oslo").generations.values()) - len(Key)


@pytest.mark.faults
@pytest.mark.timeout(180)
@pytest.mark.parametrize(("point", "fault"), cases(crash_around([*ROTATION, *REVOCATION])), ids=str)
async def test_a_rotation_and_a_revocation_survive(env: ProcessEnv, point: CrashPoint, fault: Fault) -> None:
    env.settings = 'revoke = "after-verify"\nrevoke_after = "1s"\nrecheck = "1s"\nlook_every = "1s"\n'
    await kill_at(env, point)
    spoil(env, fault)

    async with env.daemon() as daemon:
        await env.sandbox.eventgrid.settled()
        await env.sandbox.cluster.wait_for(lambda _: env.settled("oslo", 1), WAIT_TIMEOUT)
        await daemon.line(lambda x: regenerations(env) > 0 and x["event"] == "rotation", WAIT_TIMEOUT)

    assert 1 <= issued(env) <= 2, "at most one token more than needed"
    assert env.rollouts("oslo") == 2, "one rollout"
    assert 1 <= regenerations(env) <= 2
    await env.pods_run_the_secrets_token("oslo")
    no_value_leaked(daemon)


@pytest.mark.faults
@pytest.mark.timeout(180)
@pytest.mark.parametrize(("point", "fault"), cases(crash_around(ROLL_BACK)), ids=str)
async def test_a_roll_back_survives(env: ProcessEnv, point: CrashPoint, fault: Fault) -> None:
    env.settings = 'rollout_timeout = "2s"\nrecheck = "1s"\nlook_every = "1s"\n'
    await kill_at(env, point)
    spoil(env, fault)
    deployed = env.gateways["oslo"]

    async with env.daemon() as daemon:
        await env.sandbox.eventgrid.settled()

        def back(_: object) -> bool:
            pods = env.sandbox.cluster.list("Pod", deployed.namespace)
            return (
                env.notes("oslo").get("fingerprint") == deployed.token_fingerprint
                and len(pods) == 2
                and all(is_ready(p) for p in pods)
            )

        await env.sandbox.cluster.wait_for(back, WAIT_TIMEOUT)
        await daemon.line(lambda x: x["event"] == "rotation" and x["result"] == "rested", WAIT_TIMEOUT)

    assert env.notes("oslo")["failures"] == "1" and "retry-at" in env.notes("oslo")
    assert 1 <= issued(env) <= 2 and env.rollouts("oslo") == 2
    await env.pods_run_the_secrets_token("oslo")
    no_value_leaked(daemon)
