"""A delivery as large as Event Grid makes them, about as many tokens as it holds events."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from rotator.daemon.work.event_handler import MAX_CONCURRENT_REQUESTS
from sandbox.azure.events import near_expiry
from tests.process.process_env import WAIT_TIMEOUT, ProcessEnv, fetch, post, run_ended

pytestmark = pytest.mark.process


async def test_a_large_delivery_about_many_tokens_opens_few_connections_at_a_time(env: ProcessEnv) -> None:
    """Each connection with TLS weighs a third of a mebibyte: 3,000 at a time were more than a pod is given."""
    await env.deploy("oslo")
    async with env.daemon() as daemon:
        await env.adopted("oslo")
        await daemon.line(run_ended("oslo"), WAIT_TIMEOUT)
        slow = env.sandbox.faults.add(
            server="kubernetes", path="/secrets/", action="latency", seconds=1, times=None
        )
        first = env.expiry("oslo")
        events = [
            near_expiry(env.azure("oslo"), first + timedelta(minutes=n))
            for n in range(3 * MAX_CONCURRENT_REQUESTS)
        ]
        answer = asyncio.create_task(post(daemon, events))
        await slow.hit(MAX_CONCURRENT_REQUESTS)
        assert (await fetch(daemon, "/healthz"))[0] == 200
        assert slow.caught == MAX_CONCURRENT_REQUESTS
        env.sandbox.faults.clear()
        assert (await answer)[0] in {200, 503}
        await env.deliver_near_expiry("oslo", daemon)
        await env.verified_at("oslo", 1)
