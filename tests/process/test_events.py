"""I4, I5, I8, I9 from outside: what events and restarts of the service cause, and what they do not."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

import pytest

from sandbox.azure.events import expired, near_expiry
from tests.process.process_env import LAYOUTS, PATIENCE, Town, ended, fetch, post

pytestmark = pytest.mark.process


@pytest.mark.timeout(240)
async def test_a_thousand_duplicate_and_shuffled_events_for_three_gateways_end_in_three_rotations(
    town: Town,
) -> None:
    for name, layout in zip(("oslo", "bergen", "tromso"), LAYOUTS, strict=True):
        await town.settle(name, layout)
    async with town.daemon() as daemon:
        await asyncio.gather(*(town.adopted(g) for g in town.gateways))
        await town.subscribe(daemon)
        events = [
            make(town.azure(g), town.expiry(g), f"{g}-{n}")
            for g in town.gateways
            for n in range(56)
            for make in (near_expiry, expired)
        ][:334]
        random.Random(7).shuffle(events)
        await town.sandbox.eventgrid.deliver(events, duplicates=2, shuffle=7)
        await asyncio.gather(*(town.rests_at(g, 1) for g in town.gateways))
        await town.sandbox.eventgrid.settled()
        await asyncio.gather(*(daemon.line(ended(g), PATIENCE) for g in town.gateways))
        metrics = (await fetch(daemon, "/metrics"))[1]
    delivered = [d for d in town.sandbox.eventgrid.deliveries if d.status == 200]
    assert len(delivered) >= 1000 and town.sandbox.eventgrid.dead == []
    for gateway in town.gateways:
        assert len(town.minted(gateway)) == 1 and town.rollouts(gateway) == 2
        await town.pods_run_the_secrets_token(gateway)
    assert 'outcome="stale"' in metrics


async def test_restarting_the_daemon_over_a_fleet_at_rest_changes_nothing(town: Town) -> None:
    """I5: no token is issued or asked for, nothing is patched, nothing restarts."""
    for name, layout in zip(("oslo", "bergen", "tromso"), LAYOUTS, strict=True):
        await town.settle(name, layout, days=3 if name == "oslo" else 20)
    async with town.daemon():
        await asyncio.gather(town.rests_at("oslo", 1), town.adopted("bergen"), town.adopted("tromso"))
    before, rollouts = town.writes(), {g: town.rollouts(g) for g in town.gateways}
    for _ in range(5):
        async with town.daemon() as daemon:
            for gateway in town.gateways:
                await daemon.line(ended(gateway), PATIENCE)
    assert town.writes() == before
    assert {g: town.rollouts(g) for g in town.gateways} == rollouts == {"oslo": 2, "bergen": 1, "tromso": 1}


async def test_a_stale_event_causes_nothing(town: Town) -> None:
    await town.settle("oslo")
    async with town.daemon() as daemon:
        await town.adopted("oslo")
        await daemon.line(ended("oslo"), PATIENCE)
        before = town.writes()
        old = near_expiry(town.azure("oslo"), town.expiry("oslo") - timedelta(days=10))
        assert (await post(daemon, [old]))[0] == 200
        assert (
            'rotator_events_total{outcome="stale",type="NearExpiry"} 1.0'
            in (await fetch(daemon, "/metrics"))[1]
        )
    assert town.writes() == before


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
    town: Town, method: str, fault: dict[str, object]
) -> None:
    """I8, I9: never 400, 401, 403 or 413, which Event Grid does not send again."""
    await town.settle("oslo")
    async with town.daemon() as daemon:
        await town.adopted("oslo")
        await daemon.line(ended("oslo"), PATIENCE)
        rule = town.sandbox.faults.add(server="kubernetes", method=method, path="/secrets/", **fault)
        await town.complain("oslo", daemon)
        await rule.hit()
        await town.rests_at("oslo", 1)
        await town.sandbox.eventgrid.settled()
    assert {d.status for d in town.sandbox.eventgrid.deliveries} <= {200, 503}
    assert town.sandbox.eventgrid.dead == [] and len(town.minted("oslo")) == 1
    await town.pods_run_the_secrets_token("oslo")


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
    town: Town, server: str, method: str, path: str | None, action: str
) -> None:
    await town.settle("oslo", days=3)
    town.sandbox.faults.add(server=server, method=method, path=path, action=action, status=500)
    town.sandbox.faults.add(server=server, method=method, path=path, skip=1, when="after", action="reset")
    async with town.daemon():
        await town.rests_at("oslo", 1)
    assert len(town.minted("oslo")) <= 3
    await town.pods_run_the_secrets_token("oslo")
