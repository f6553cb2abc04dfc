"""Who may deliver to a real daemon; and a secret that is replaced while it works."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sandbox.azure.entra import TENANT
from sandbox.azure.events import near_expiry
from sandbox.demo.process import Daemon
from tests.process.daemon_probes import readyz, reload_refused, reloaded, request_reload, started
from tests.process.process_env import WAIT_TIMEOUT, ProcessEnv, fetch, port, post, run_ended

pytestmark = pytest.mark.process

AUDIENCE = "api://rotator.example"
OLD, NEW = "an-invented-secret-1", "an-invented-secret-2"


def secured(env: ProcessEnv, lines: str) -> Path:
    """Write a configuration in which lines say who may deliver."""
    path = env.directory / "secured.toml"
    path.write_text(env.config.read_text().replace("allow_unauthenticated = true", lines))
    return path


async def knock(env: ProcessEnv, daemon: Daemon, secret: str) -> int:
    """Deliver an event about a gateway that is not configured."""
    unknown = next(iter(env.sandbox.azure.named("unknown")), None)
    unknown = unknown or env.sandbox.azure.add_gateway("unknown", service="fabrikam")
    event = near_expiry(unknown, env.expiry("oslo"))
    return (await post(daemon, [event], **{"x-rotator-secret": secret}))[0]


async def test_a_secret_is_replaced_without_a_restart_and_for_a_while_both_are_good(env: ProcessEnv) -> None:
    await env.deploy("oslo")
    (secrets := env.directory / "secrets").write_text(OLD)
    async with started(env, secured(env, f'secret_file = "{secrets}"')) as daemon:
        await env.adopted("oslo")
        assert [await knock(env, daemon, s) for s in (OLD, NEW, "")] == [200, 401, 401]
        secrets.write_text(f"{NEW}\n{OLD}\n")
        assert [await knock(env, daemon, s) for s in (OLD, NEW)] == [200, 200]
        secrets.write_text(f"{NEW}\n")
        assert [await knock(env, daemon, s) for s in (OLD, NEW)] == [401, 200]
        secrets.unlink()
        assert [await knock(env, daemon, s) for s in (OLD, NEW)] == [401, 200]
        status = await readyz(daemon)
        assert status["ready"] and "secret_file" in status["warnings"]["webhook"]
        assert not [x for x in daemon.lines if reloaded(x)], "the secrets are no reason to begin anew"
        told = str(list(daemon.lines)) + str(status) + (await fetch(daemon, "/metrics"))[1]
    assert OLD not in told and NEW not in told


async def test_a_new_secret_file_that_is_not_there_does_not_shut_the_door(env: ProcessEnv) -> None:
    await env.deploy("oslo")
    (secrets := env.directory / "secrets").write_text(OLD)
    config = secured(env, f'secret_file = "{secrets}"')
    async with started(env, config) as daemon:
        await env.adopted("oslo")
        config.write_text(config.read_text().replace(str(secrets), "/nowhere/secrets"))
        request_reload(daemon)
        assert "webhook.secret_file" in (await daemon.line(reload_refused, WAIT_TIMEOUT))["mistakes"][0]
        assert await knock(env, daemon, OLD) == 200


async def test_an_open_door_is_closed_by_a_reload(env: ProcessEnv) -> None:
    await env.deploy("oslo")
    (secrets := env.directory / "secrets").write_text(OLD)
    config = secured(env, "allow_unauthenticated = true")
    async with started(env, config) as daemon:
        await env.adopted("oslo")
        assert await knock(env, daemon, NEW) == 200
        secured(env, f'secret_file = "{secrets}"')
        request_reload(daemon)
        await daemon.line(reloaded, WAIT_TIMEOUT)
        assert [await knock(env, daemon, s) for s in (OLD, NEW)] == [200, 401]


async def test_a_delivery_with_a_bearer_token_of_entra_rotates(env: ProcessEnv) -> None:
    await env.deploy("oslo")
    entra, azure = env.sandbox.azure.entra, env.sandbox.eventgrid
    lines = f"""
[webhook.entra]
tenant_id = "{TENANT}"
audiences = ["{AUDIENCE}"]
authority = "{env.sandbox.entra_url}"
"""
    async with started(env, secured(env, lines)) as daemon:
        await env.adopted("oslo")
        event = near_expiry(env.azure("oslo"), env.expiry("oslo"))
        assert (await post(daemon, [event]))[0] == 401
        assert (await post(daemon, [event], authorization="Bearer a.b.c"))[0] == 401
        await daemon.line(run_ended("oslo"), WAIT_TIMEOUT)
        url = f"http://127.0.0.1:{port(daemon, 'webhook')}/events"
        await azure.subscribe(url, bearer=lambda: entra.event_grid_token(AUDIENCE))
        await azure.deliver([event])
        await env.verified_at("oslo", 1)
        await azure.settled()
        metrics = (await fetch(daemon, "/metrics"))[1]
    assert azure.dead == [] and len(env.minted("oslo")) == 1
    assert 'outcome="unauthenticated"' in metrics


async def test_a_flood_of_unauthenticated_deliveries_is_refused_and_the_authenticated_one_gets_through(
    env: ProcessEnv,
) -> None:
    await env.deploy("oslo")
    (secrets := env.directory / "secrets").write_text(OLD)
    async with started(env, secured(env, f'secret_file = "{secrets}"\nmax_rate = 30')) as daemon:
        await env.adopted("oslo")
        answers = await asyncio.gather(*(knock(env, daemon, NEW) for _ in range(100)))
        assert set(answers) == {401, 429}
        event = near_expiry(env.azure("oslo"), env.expiry("oslo"))
        assert (await post(daemon, [event], **{"x-rotator-secret": OLD}))[0] == 200
        await env.verified_at("oslo", 1)
