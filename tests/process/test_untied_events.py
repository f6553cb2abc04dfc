"""Events that do not say which token they are about."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.azure.events import expired, near_expiry
from tests.process.news import times
from tests.process.process_env import PATIENCE, Town, ended, post

pytestmark = pytest.mark.process


def untied(event: dict[str, Any], time: str | None) -> dict[str, Any]:
    event["data"].pop("tokenInfo")
    kept = {k: v for k, v in event.items() if k.lower() != "time"}
    return kept | ({"time": time} if time else {})


@pytest.mark.parametrize("time", [None, "2099-01-01T00:00:00Z"])
async def test_an_event_that_names_no_expiry_is_a_reason_to_look_not_to_rotate(
    town: Town, time: str | None
) -> None:
    """I4: nothing tells whether the token that it means has been replaced since."""
    await town.settle("oslo")
    async with town.daemon() as daemon:
        await town.adopted("oslo")
        await daemon.line(ended("oslo"), PATIENCE)
        before = town.writes()
        for number in range(2, 4):
            event = untied(near_expiry(town.azure("oslo"), town.expiry("oslo")), time)
            assert (await post(daemon, [event]))[0] == 200
            await times(daemon, number, ended("oslo"))
    assert town.writes() == before


async def test_an_expired_event_that_names_no_expiry_finds_the_key_that_a_stranger_regenerated(
    town: Town,
) -> None:
    await town.settle("oslo")
    async with town.daemon() as daemon:
        await town.adopted("oslo")
        await daemon.line(ended("oslo"), PATIENCE)
        at = town.expiry("oslo")
        town.azure("oslo").regenerate("primary")
        event = untied(expired(town.azure("oslo"), at), None)
        assert (await post(daemon, [event]))[0] == 200
        await town.rests_at("oslo", 1)
    await town.pods_run_the_secrets_token("oslo")
