"""Who may deliver to a real daemon; and a secret that is replaced while it works."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sandbox.azure.entra import TENANT
from sandbox.azure.events import near_expiry
from sandbox.demo.process import Daemon
from tests.process.news import hup, readyz, refused, reloaded, started
from tests.process.process_env import PATIENCE, Town, ended, fetch, port, post

pytestmark = pytest.mark.process

AUDIENCE = "api://rotator.example"
OLD, NEW = "an-invented-secret-1", "an-invented-secret-2"


def secured(town: Town, lines: str) -> Path:
    """Write a configuration in which lines say who may deliver."""
    path = town.directory / "secured.toml"
    path.write_text(town.config.read_text().replace("allow_unauthenticated = true", lines))
    return path


async def knock(town: Town, daemon: Daemon, secret: str) -> int:
    """Deliver something that is nobody's concern."""
    stranger = next(iter(town.sandbox.azure.named("stranger")), None)
    stranger = stranger or town.sandbox.azure.add_gateway("stranger", service="fabrikam")
    event = near_expiry(stranger, town.expiry("oslo"))
    return (await post(daemon, [event], **{"x-rotator-secret": secret}))[0]


async def test_a_secret_is_replaced_without_a_restart_and_for_a_while_both_are_good(town: Town) -> None:
    await town.settle("oslo")
    (secrets := town.directory / "secrets").write_text(OLD)
    async with started(town, secured(town, f'secret_file = "{secrets}"')) as daemon:
        await town.adopted("oslo")
        assert [await knock(town, daemon, s) for s in (OLD, NEW, "")] == [200, 401, 401]
        secrets.write_text(f"{NEW}\n{OLD}\n")
        assert [await knock(town, daemon, s) for s in (OLD, NEW)] == [200, 200]
        secrets.write_text(f"{NEW}\n")
        assert [await knock(town, daemon, s) for s in (OLD, NEW)] == [401, 200]
        secrets.unlink()
        assert [await knock(town, daemon, s) for s in (OLD, NEW)] == [401, 200]
        status = await readyz(daemon)
        assert status["ready"] and "secret_file" in status["warnings"]["webhook"]
        assert not [x for x in daemon.lines if reloaded(x)], "the secrets are no reason to begin anew"
        told = str(list(daemon.lines)) + str(status) + (await fetch(daemon, "/metrics"))[1]
    assert OLD not in told and NEW not in told


async def test_a_new_secret_file_that_is_not_there_does_not_shut_the_door(town: Town) -> None:
    await town.settle("oslo")
    (secrets := town.directory / "secrets").write_text(OLD)
    config = secured(town, f'secret_file = "{secrets}"')
    async with started(town, config) as daemon:
        await town.adopted("oslo")
        config.write_text(config.read_text().replace(str(secrets), "/nowhere/secrets"))
        hup(daemon)
        assert "webhook.secret_file" in (await daemon.line(refused, PATIENCE))["mistakes"][0]
        assert await knock(town, daemon, OLD) == 200


async def test_an_open_door_is_closed_by_a_reload(town: Town) -> None:
    await town.settle("oslo")
    (secrets := town.directory / "secrets").write_text(OLD)
    config = secured(town, "allow_unauthenticated = true")
    async with started(town, config) as daemon:
        await town.adopted("oslo")
        assert await knock(town, daemon, NEW) == 200
        secured(town, f'secret_file = "{secrets}"')
        hup(daemon)
        await daemon.line(reloaded, PATIENCE)
        assert [await knock(town, daemon, s) for s in (OLD, NEW)] == [200, 401]


async def test_a_delivery_with_a_bearer_token_of_entra_rotates(town: Town) -> None:
    await town.settle("oslo")
    entra, azure = town.sandbox.azure.entra, town.sandbox.eventgrid
    lines = f"""
[webhook.entra]
tenant_id = "{TENANT}"
audiences = ["{AUDIENCE}"]
authority = "{town.sandbox.entra_url}"
"""
    async with started(town, secured(town, lines)) as daemon:
        await town.adopted("oslo")
        event = near_expiry(town.azure("oslo"), town.expiry("oslo"))
        assert (await post(daemon, [event]))[0] == 401
        assert (await post(daemon, [event], authorization="Bearer a.b.c"))[0] == 401
        await daemon.line(ended("oslo"), PATIENCE)
        url = f"http://127.0.0.1:{port(daemon, 'webhook')}/events"
        await azure.subscribe(url, bearer=lambda: entra.event_grid_token(AUDIENCE))
        await azure.deliver([event])
        await town.rests_at("oslo", 1)
        await azure.settled()
        metrics = (await fetch(daemon, "/metrics"))[1]
    assert azure.dead == [] and len(town.minted("oslo")) == 1
    assert 'outcome="unauthenticated"' in metrics


async def test_strangers_in_a_flood_are_refused_and_the_rightful_delivery_gets_through(town: Town) -> None:
    await town.settle("oslo")
    (secrets := town.directory / "secrets").write_text(OLD)
    async with started(town, secured(town, f'secret_file = "{secrets}"\nmax_rate = 30')) as daemon:
        await town.adopted("oslo")
        answers = await asyncio.gather(*(knock(town, daemon, NEW) for _ in range(100)))
        assert set(answers) == {401, 429}
        event = near_expiry(town.azure("oslo"), town.expiry("oslo"))
        assert (await post(daemon, [event], **{"x-rotator-secret": OLD}))[0] == 200
        await town.rests_at("oslo", 1)
