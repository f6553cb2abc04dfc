"""Events that do not say which token they are about."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.azure.events import expired, near_expiry
from tests.process.daemon_probes import wait_for_count
from tests.process.process_env import WAIT_TIMEOUT, ProcessEnv, post, run_ended

pytestmark = pytest.mark.process


def untied(event: dict[str, Any], time: str | None) -> dict[str, Any]:
    event["data"].pop("tokenInfo")
    kept = {k: v for k, v in event.items() if k.lower() != "time"}
    return kept | ({"time": time} if time else {})


@pytest.mark.parametrize("time", [None, "2099-01-01T00:00:00Z"])
async def test_an_event_that_names_no_expiry_is_a_reason_to_look_not_to_rotate(
    env: ProcessEnv, time: str | None
) -> None:
    """I4: nothing tells whether the token that it means has been replaced since."""
    await env.deploy("oslo")
    async with env.daemon() as daemon:
        await env.adopted("oslo")
        await daemon.line(run_ended("oslo"), WAIT_TIMEOUT)
        before = env.writes()
        for number in range(2, 4):
            event = untied(near_expiry(env.azure("oslo"), env.expiry("oslo")), time)
            assert (await post(daemon, [event]))[0] == 200
            await wait_for_count(daemon, number, run_ended("oslo"))
    assert env.writes() == before


async def test_an_expired_event_that_names_no_expiry_finds_a_key_regenerated_elsewhere(
    env: ProcessEnv,
) -> None:
    await env.deploy("oslo")
    async with env.daemon() as daemon:
        await env.adopted("oslo")
        await daemon.line(run_ended("oslo"), WAIT_TIMEOUT)
        at = env.expiry("oslo")
        env.azure("oslo").regenerate("primary")
        event = untied(expired(env.azure("oslo"), at), None)
        assert (await post(daemon, [event]))[0] == 200
        await env.verified_at("oslo", 1)
    await env.pods_run_the_secrets_token("oslo")
