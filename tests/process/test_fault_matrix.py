"""I1, I3, I6, I8 on real processes: SIGKILL at each step boundary, and the next process meets a fault.

Each case: a daemon is killed before or after one effect; the one that goes on has its first read, its first
write and its first call of Azure spoilt in one way. All of it has to end in the same rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any, Literal

import pytest

from rotator.core.records import Key
from sandbox.demo.process import Daemon
from tests.process.process_env import PATIENCE, Town, ended, is_ready

When = Literal["before", "after"]


@dataclass(frozen=True, slots=True)
class Point:
    """The skip-th call of that kind after the complaint."""

    what: str
    server: str
    path: str
    skip: int = 0


@dataclass(frozen=True, slots=True)
class Fault:
    what: str
    action: Literal["latency", "status", "reset", "hang"]
    when: When = "before"
    status: int = 503


SECRET, LEASE, WORKLOAD = "/secrets/", "/leases/", "/deployments/"
ROTATION = [
    Point("request noted", "kubernetes", SECRET, 0),
    Point("Lease taken", "kubernetes", LEASE, 0),
    Point("token issued", "arm", "generateToken", 0),
    Point("token written", "kubernetes", SECRET, 1),
    Point("workload restarted", "kubernetes", WORKLOAD, 0),
    Point("token verified", "kubernetes", SECRET, 2),
    Point("Lease released", "kubernetes", LEASE, 1),
    Point("Lease taken to revoke", "kubernetes", LEASE, 2),
    Point("signers asked", "arm", "generateToken", 1),
    Point("key regenerated", "arm", "regenerateKey", 0),
    Point("Lease released after the revocation", "kubernetes", LEASE, 3),
]
ROLL_BACK = [
    Point("rolled back", "kubernetes", SECRET, 2),
    Point("old template put back", "kubernetes", WORKLOAD, 1),
    Point("Lease released after the roll-back", "kubernetes", LEASE, 1),
]
FAULTS = [
    Fault("nothing", "latency"),
    Fault("500 instead of acting", "status", status=500),
    Fault("503 after acting", "status", "after", 503),
    Fault("429", "status", status=429),
    Fault("cut before acting", "reset"),
    Fault("cut after acting", "reset", "after"),
]
CASES = list(product(FAULTS, ["before", "after"]))


def name(case: Any) -> str:
    return case.what if hasattr(case, "what") else str(case)


def spoil(town: Town, fault: Fault) -> None:
    """Each of the first read, the first write and the first call of Azure meets the fault."""
    for server, method in (("kubernetes", "GET"), ("kubernetes", "PATCH"), ("arm", "POST")):
        town.sandbox.faults.add(
            server=server,
            method=method,
            action=fault.action,
            when=fault.when,
            status=fault.status,
            retry_after=1,
        )


async def kill_at(town: Town, point: Point, when: When) -> None:
    """Have a daemon adopt the gateway and answer a complaint; kill it at point."""
    await town.settle("oslo", replicas=2)
    async with town.daemon() as daemon:
        await daemon.line(ended("oslo"), PATIENCE)
        if "roll" in point.what or "template" in point.what:
            deployed = town.gateways["oslo"]
            town.sandbox.cluster.sick(deployed.namespace, deployed.workload.partition("/")[2], "never-ready")
        method = "POST" if point.server == "arm" else "PATCH"
        reached = town.sandbox.faults.add(
            server=point.server,
            method=method,
            path=point.path,
            skip=point.skip,
            when=when,
            action="hang",
        )
        await town.complain("oslo", daemon)
        await reached.hit()
        await daemon.kill()
    town.sandbox.faults.clear()


def no_value_leaked(daemon: Daemon) -> None:
    """I7: nothing that looks like a token is in any line."""
    assert not [line for line in daemon.lines if re.search(r"&(amp;)?[0-9]{12}&", str(line))]


def issued(town: Town) -> int:
    """How many tokens for the next weeks Azure gave out: asking who signed an old one is no issue."""
    new = datetime.now(UTC) + timedelta(days=25)
    return len(
        {m.fingerprint for m in town.azure("oslo").minted if m.expires_at > new and m.key == Key.SECONDARY}
    )


def regenerations(town: Town) -> int:
    return sum(town.azure("oslo").generations.values()) - len(Key)


@pytest.mark.faults
@pytest.mark.timeout(180)
@pytest.mark.parametrize("point", ROTATION, ids=name)
@pytest.mark.parametrize(("fault", "when"), CASES, ids=[f"{w}-{f.what}" for f, w in CASES])
async def test_a_rotation_and_a_revocation_survive(
    town: Town, point: Point, when: When, fault: Fault
) -> None:
    town.settings = 'revoke = "after-verify"\nrevoke_after = "1s"\nrecheck = "1s"\nlook_every = "1s"\n'
    await kill_at(town, point, when)
    spoil(town, fault)

    async with town.daemon() as daemon:
        await town.sandbox.eventgrid.settled()
        await town.sandbox.cluster.wait_for(lambda _: town.settled("oslo", 1), PATIENCE)
        await daemon.line(lambda x: regenerations(town) > 0 and x["event"] == "rotation", PATIENCE)

    assert 1 <= issued(town) <= 2, "at most one token more than needed"
    assert town.rollouts("oslo") == 2, "one rollout"
    assert 1 <= regenerations(town) <= 2
    await town.pods_run_the_secrets_token("oslo")
    no_value_leaked(daemon)


@pytest.mark.faults
@pytest.mark.timeout(180)
@pytest.mark.parametrize("point", ROLL_BACK, ids=name)
@pytest.mark.parametrize(("fault", "when"), CASES, ids=[f"{w}-{f.what}" for f, w in CASES])
async def test_a_roll_back_survives(town: Town, point: Point, when: When, fault: Fault) -> None:
    town.settings = 'rollout_timeout = "2s"\nrecheck = "1s"\nlook_every = "1s"\n'
    await kill_at(town, point, when)
    spoil(town, fault)
    deployed = town.gateways["oslo"]

    async with town.daemon() as daemon:
        await town.sandbox.eventgrid.settled()

        def back(_: object) -> bool:
            pods = town.sandbox.cluster.list("Pod", deployed.namespace)
            return (
                town.notes("oslo").get("fingerprint") == deployed.token_fingerprint
                and len(pods) == 2
                and all(is_ready(p) for p in pods)
            )

        await town.sandbox.cluster.wait_for(back, PATIENCE)
        await daemon.line(lambda x: x["event"] == "rotation" and x["result"] == "rested", PATIENCE)

    assert town.notes("oslo")["failures"] == "1" and "retry-at" in town.notes("oslo")
    assert 1 <= issued(town) <= 2 and town.rollouts("oslo") == 2
    await town.pods_run_the_secrets_token("oslo")
    no_value_leaked(daemon)
