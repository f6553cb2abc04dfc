"""A delivery as large as Event Grid makes them, about as many tokens as it holds events."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from rotator.daemon.work.event_handler import AT_ONCE
from sandbox.azure.events import near_expiry
from tests.process.process_env import PATIENCE, Town, ended, fetch, post

pytestmark = pytest.mark.process


async def test_a_large_delivery_about_many_tokens_opens_few_connections_at_a_time(town: Town) -> None:
    """Each connection with TLS weighs a third of a mebibyte: 3,000 at a time were more than a pod is given."""
    await town.settle("oslo")
    async with town.daemon() as daemon:
        await town.adopted("oslo")
        await daemon.line(ended("oslo"), PATIENCE)
        slow = town.sandbox.faults.add(
            server="kubernetes", path="/secrets/", action="latency", seconds=1, times=None
        )
        first = town.expiry("oslo")
        events = [near_expiry(town.azure("oslo"), first + timedelta(minutes=n)) for n in range(3 * AT_ONCE)]
        answer = asyncio.create_task(post(daemon, events))
        await slow.hit(AT_ONCE)
        assert (await fetch(daemon, "/healthz"))[0] == 200
        assert slow.caught == AT_ONCE
        town.sandbox.faults.clear()
        assert (await answer)[0] in {200, 503}
        await town.complain("oslo", daemon)
        await town.rests_at("oslo", 1)
