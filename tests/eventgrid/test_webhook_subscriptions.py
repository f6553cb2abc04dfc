"""The webhook and the sandbox's Event Grid, each way of authentication; and the list of subscriptions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.azure import Gateway
from sandbox.azure.account import SUBSCRIPTION
from sandbox.azure.delivery import HandshakeError
from sandbox.azure.eventgrid import EventGrid
from sandbox.azure.events import Schema, near_expiry
from tests.eventgrid.auth.webhook_server import (
    AUDIENCE,
    NEW,
    OLD,
    Clock,
    serving_entra,
    serving_webhook,
    until,
)
from tests.eventgrid.builders import cloud
from tests.eventgrid.test_webhook import EventRecorder, post

HEADER = "x-rotator-secret"
SCHEMAS: list[Schema] = ["eventgrid", "cloudevents"]


@pytest.fixture
async def grid() -> AsyncIterator[EventGrid]:
    async with EventGrid() as made:
        made.url = "http://127.0.0.1:1/api/events"
        yield made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "secrets").write_text(OLD)
    return tmp_path / "secrets"


def event() -> dict[str, Any]:
    oslo = Gateway("oslo", "contoso", "gateways", SUBSCRIPTION)
    return near_expiry(oslo, datetime.now(UTC) + timedelta(days=7))


async def delivered(grid: EventGrid) -> list[int]:
    """Deliver one event; return the statuses of all attempts so far."""
    await grid.deliver([event()])
    await grid.settled()
    return [delivery.status for delivery in grid.deliveries]


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("open_handshake", [False, True])
async def test_a_secret_as_delivery_property(
    grid: EventGrid, file: Path, schema: Schema, open_handshake: bool
) -> None:
    async with serving_webhook({"secret_file": file}) as webhook:
        url, headers = f"{webhook.url}/events", {HEADER: OLD}
        await grid.subscribe(url, schema=schema, headers=headers, open_handshake=open_handshake)
        assert (await delivered(grid), len(webhook.events), grid.dead) == ([200], 1, [])
        await grid.unsubscribe("rotator")


@pytest.mark.parametrize("schema", SCHEMAS)
async def test_a_secret_in_the_query_string(grid: EventGrid, file: Path, schema: Schema) -> None:
    async with serving_webhook({"secret_file": file}) as webhook:
        await grid.subscribe(f"{webhook.url}/events?code={OLD}", schema=schema)
        assert (await delivered(grid), len(webhook.events)) == ([200], 1)


async def test_an_operator_who_subscribes_with_a_wrong_secret_learns_of_it_at_once(
    grid: EventGrid, file: Path
) -> None:
    async with serving_webhook({"secret_file": file}) as webhook:
        with pytest.raises(HandshakeError, match="401"):
            await grid.subscribe(f"{webhook.url}/events?code={NEW}")


async def test_no_event_of_a_subscription_without_the_secret_is_taken(grid: EventGrid, file: Path) -> None:
    async with serving_webhook({"secret_file": file}) as webhook:
        await grid.subscribe(f"{webhook.url}/events")
        assert (await delivered(grid), webhook.events) == ([401], [])


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("version", ["1.0", "2.0"])
async def test_a_secure_webhook(grid: EventGrid, tmp_path: Path, schema: Schema, version: Any) -> None:
    async with (
        serving_entra(tmp_path) as azure,
        serving_webhook({"entra": azure.table()}, ca_file=azure.ca) as webhook,
    ):
        bearer = lambda: azure.entra.event_grid_token(AUDIENCE, version)  # noqa: E731
        await grid.subscribe(f"{webhook.url}/events", schema=schema, bearer=bearer)
        assert (await delivered(grid), len(webhook.events)) == ([200], 1)


async def test_a_secure_webhook_answers_no_handshake_without_a_token(grid: EventGrid, tmp_path: Path) -> None:
    async with (
        serving_entra(tmp_path) as azure,
        serving_webhook({"entra": azure.table()}, ca_file=azure.ca) as webhook,
    ):
        with pytest.raises(HandshakeError, match="401"):
            await grid.subscribe(f"{webhook.url}/events")


async def test_either_way_suffices_where_both_are_configured(
    grid: EventGrid, file: Path, tmp_path: Path
) -> None:
    async with serving_entra(tmp_path / "login") as azure:
        settings = {"entra": azure.table(), "secret_file": file}
        async with serving_webhook(settings, ca_file=azure.ca) as webhook:
            url = f"{webhook.url}/events"
            await grid.subscribe(url, name="a", headers={HEADER: OLD})
            await grid.subscribe(url, name="b", bearer=lambda: azure.entra.event_grid_token(AUDIENCE))
            assert await delivered(grid) == [200, 200]
            token = {"Authorization": f"Bearer {azure.entra.event_grid_token(AUDIENCE)}"}
            assert await webhook.status(token | {HEADER: NEW}) == 200
            assert await webhook.status({"Authorization": "Bearer x", HEADER: OLD}) == 200
            assert await webhook.status({"Authorization": "Bearer x", HEADER: NEW}) == 401
            with pytest.raises(HandshakeError, match="401"):  # a real Event Grid brings its token
                await grid.subscribe(url, name="c")


async def test_what_one_way_cannot_decide_the_other_does_not_refuse(file: Path, tmp_path: Path) -> None:
    """A refusal is for good: it takes all ways to say no."""
    async with serving_entra(tmp_path / "login") as azure:
        settings = {"entra": azure.table(), "secret_file": file}
        file.unlink()
        async with serving_webhook(settings, ca_file=azure.ca) as webhook:
            assert await webhook.status({HEADER: OLD}) == 503
            assert await webhook.status({"Authorization": "Bearer x", HEADER: OLD}) == 503
            assert await webhook.bearer(azure.entra.event_grid_token(AUDIENCE)) == 200
            other = azure.entra.token(azure.entra.claims(AUDIENCE, roles=None))
            assert await webhook.status({"Authorization": f"Bearer {other}", HEADER: OLD}) == 503
        file.write_text(OLD)
        azure.faults.add(server="entra", action="status", times=None)
        async with serving_webhook(settings, ca_file=azure.ca) as webhook:
            token = {"Authorization": f"Bearer {azure.entra.event_grid_token(AUDIENCE)}"}
            assert await webhook.status(token | {HEADER: NEW}) == 503
            assert await webhook.status(token | {HEADER: OLD}) == 200


async def test_no_event_is_lost_while_entra_is_away(grid: EventGrid, tmp_path: Path) -> None:
    clock = Clock()
    async with (
        serving_entra(tmp_path) as azure,
        serving_webhook({"entra": azure.table()}, ca_file=azure.ca, clock=clock) as hook,
    ):
        await grid.subscribe(f"{hook.url}/events", bearer=lambda: azure.entra.event_grid_token(AUDIENCE))
        azure.entra.rotate()
        rule = azure.faults.add(server="entra", action="status", times=None)
        clock.seconds += 61
        await grid.deliver([event()])
        await rule.hit()
        await until(lambda: bool(grid.deliveries))  # the pause before the next fetch begins with the answer
        azure.faults.clear()
        clock.seconds += 61
        await grid.settled()
        statuses = [delivery.status for delivery in grid.deliveries]
        assert statuses[0] == 503 and statuses[-1] == 200
        assert (grid.dead, len(hook.events)) == ([], 1)


async def test_no_event_is_lost_while_a_secret_is_rotated_in_the_order_of_the_manual(
    grid: EventGrid, file: Path
) -> None:
    def write(text: str) -> None:
        file.with_name("draft").write_text(text)
        file.with_name("draft").replace(file)

    async with serving_webhook({"secret_file": file}) as webhook:
        url = f"{webhook.url}/events"
        await grid.subscribe(url, headers={HEADER: OLD})
        write(f"{NEW}\n{OLD}\n")
        await grid.deliver([event()])
        await grid.subscribe(url, headers={HEADER: NEW})
        await grid.settled()
        write(NEW)
        assert await delivered(grid) == [200, 200]
        assert grid.dead == []


async def test_events_of_a_subscription_that_is_not_allowed_are_answered_and_dropped(
    grid: EventGrid, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {"allow_unauthenticated": True, "allowed_subscriptions": ["Rotator"]}
    async with serving_webhook(settings) as webhook:
        await grid.subscribe(f"{webhook.url}/events", name="rotator")
        await grid.subscribe(f"{webhook.url}/events", name="foreign")
        assert await delivered(grid) == [200, 200]
        assert len(webhook.events) == 1
        assert webhook.counted == {("NearExpiry", "accepted"): 1, ("Other", "foreign-subscription"): 1}
        assert await webhook.status() == 200  # and one that names no subscription at all
        assert len(webhook.events) == 1
    assert "foreign" not in "".join(r.getMessage() for r in caplog.records if r.name.startswith("rotator"))


@pytest.mark.parametrize(
    "settings",
    [
        {"secret_file": "/nowhere"},
        {"entra": {"tenant_id": "22222222-3333-4444-8555-666666666666", "audiences": ["a"]}},
    ],
)
async def test_a_webhook_without_its_guard_takes_nothing(settings: dict[str, Any]) -> None:
    recorder = EventRecorder()
    status, _, _ = await post(recorder, cloud(), **settings)
    assert (status, recorder.events) == (503, [])
