"""I4, I5, I8, I9 from outside: what events and restarts of the service cause, and what they do not."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

import pytest

from sandbox.azure.events import expired, near_expiry
from tests.process.process_env import LAYOUTS, WAIT_TIMEOUT, ProcessEnv, fetch, post, run_ended

pytestmark = pytest.mark.process


@pytest.mark.timeout(240)
async def test_a_thousand_duplicate_and_shuffled_events_for_three_gateways_end_in_three_rotations(
    env: ProcessEnv,
) -> None:
    for name, layout in zip(("oslo", "bergen", "tromso"), LAYOUTS, strict=True):
        await env.deploy(name, layout)
    async with env.daemon() as daemon:
        await asyncio.gather(*(env.adopted(g) for g in env.gateways))
        await env.subscribe(daemon)
        events = [
            make(env.azure(g), env.expiry(g), f"{g}-{n}")
            for g in env.gateways
            for n in range(56)
            for make in (near_expiry, expired)
        ][:334]
        random.Random(7).shuffle(events)
        await env.sandbox.eventgrid.deliver(events, duplicates=2, shuffle=7)
        await asyncio.gather(*(env.verified_at(g, 1) for g in env.gateways))
        await env.sandbox.eventgrid.settled()
        await asyncio.gather(*(daemon.line(run_ended(g), WAIT_TIMEOUT) for g in env.gateways))
        metrics = (await fetch(daemon, "/metrics"))[1]
    delivered = [d for d in env.sandbox.eventgrid.deliveries if d.status == 200]
    assert len(delivered) >= 1000 and env.sandbox.eventgrid.dead == []
    for gateway in env.gateways:
        assert len(env.minted(gateway)) == 1 and env.rollouts(gateway) == 2
        await env.pods_run_the_secrets_token(gateway)
    assert 'outcome="stale"' in metrics


async def test_restarting_the_daemon_over_a_fleet_at_rest_changes_nothing(env: ProcessEnv) -> None:
    """I5: no token is issued or asked for, nothing is patched, nothing restarts."""
    for name, layout in zip(("oslo", "bergen", "tromso"), LAYOUTS, strict=True):
        await env.deploy(name, layout, days=3 if name == "oslo" else 20)
    async with env.daemon():
        await asyncio.gather(env.verified_at("oslo", 1), env.adopted("bergen"), env.adopted("tromso"))
    before, rollouts = env.writes(), {g: env.rollouts(g) for g in env.gateways}
    for _ in range(5):
        async with env.daemon() as daemon:
            for gateway in env.gateways:
                await daemon.line(run_ended(gateway), WAIT_TIMEOUT)
    assert env.writes() == before
    assert {g: env.rollouts(g) for g in env.gateways} == rollouts == {"oslo": 2, "bergen": 1, "tromso": 1}


async def test_a_stale_event_causes_nothing(env: ProcessEnv) -> None:
    await env.deploy("oslo")
    async with env.daemon() as daemon:
        await env.adopted("oslo")
        await daemon.line(run_ended("oslo"), WAIT_TIMEOUT)
        before = env.writes()
        old = near_expiry(env.azure("oslo"), env.expiry("oslo") - timedelta(days=10))
        assert (await post(daemon, [old]))[0] == 200
        assert (
            'rotator_events_total{outcome="stale",type="NearExpiry"} 1.0'
            in (await fetch(daemon, "/metrics"))[1]
        )
    assert env.writes() == before


@pytest.mark.parametrize(
    "fault",
    [
        {"action": "status", "status": 500},
        {"action": "status", "status": 503},
        {"action": "status", "status": 429, "retry_after": 1},
        {"action": "status", "status": 409},
        {"action": "reset"},
    ],
    ids=["500", "503", "429", "409", "reset"],
)
@pytest.mark.parametrize("method", ["GET", "PATCH"])
async def test_a_passing_fault_answers_503_or_is_overcome_and_the_event_is_not_lost(
    env: ProcessEnv, method: str, fault: dict[str, object]
) -> None:
    """I8, I9: never 400, 401, 403 or 413, which Event Grid does not send again."""
    await env.deploy("oslo")
    async with env.daemon() as daemon:
        await env.adopted("oslo")
        await daemon.line(run_ended("oslo"), WAIT_TIMEOUT)
        rule = env.sandbox.faults.add(server="kubernetes", method=method, path="/secrets/", **fault)
        await env.deliver_near_expiry("oslo", daemon)
        await rule.hit()
        await env.verified_at("oslo", 1)
        await env.sandbox.eventgrid.settled()
    assert {d.status for d in env.sandbox.eventgrid.deliveries} <= {200, 503}
    assert env.sandbox.eventgrid.dead == [] and len(env.minted("oslo")) == 1
    await env.pods_run_the_secrets_token("oslo")


@pytest.mark.parametrize(
    ("server", "method", "path"),
    [
        ("arm", "POST", "generateToken"),
        ("kubernetes", "GET", "/leases/"),
        ("kubernetes", "GET", "/pods"),
        ("kubernetes", "GET", "/deployments/"),
        ("kubernetes", "PATCH", "/leases/"),
        ("kubernetes", "PATCH", "/secrets/"),
        ("kubernetes", "PATCH", "/deployments/"),
        ("identity", "GET", None),
    ],
)
@pytest.mark.parametrize("action", ["reset", "status"])
async def test_a_fault_on_any_call_is_overcome(
    env: ProcessEnv, server: str, method: str, path: str | None, action: str
) -> None:
    await env.deploy("oslo", days=3)
    env.sandbox.faults.add(server=server, method=method, path=path, action=action, status=500)
    env.sandbox.faults.add(server=server, method=method, path=path, skip=1, when="after", action="reset")
    async with env.daemon():
        await env.verified_at("oslo", 1)
    assert len(env.minted("oslo")) <= 3
    await env.pods_run_the_secrets_token("oslo")
