"""`rotator plan` and `rotator status`: observe and print. Nothing is written."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from rotator.app.bootstrap import GatewayServices, Services
from rotator.app.status import Json, status_of
from rotator.cli.exits import Exit, exit_for, worst
from rotator.cli.session import work_on
from rotator.cli.table import table
from rotator.core.messages import about
from rotator.errors import RotatorError
from rotator.rotation import observe

TABLE_WIDTH = 1000
"""Width of the printed table in characters: wider than any row, so that nothing is cut off."""


def plan(config: Path, names: Sequence[str]) -> Exit:
    async def work(services: Services) -> Exit:
        states = await observe_all(services)
        for state in states:
            print(sentence(state))
            print_problems(state)
        return worst(
            [exit_of(s) for s in states]
            + [await known_to_azure(services, g) for g in services.gateways.values()]
        )

    return work_on(config, names, work)


async def known_to_azure(services: Services, gateway: GatewayServices) -> Exit:
    """Check that Azure knows the gateway: a mistyped resource_id is reported before the first rotation."""
    try:
        await services.arm.preflight(gateway.settings.resource_id)
    except RotatorError as error:
        print(f"{gateway.name}: {type(error).__name__}: {error}")
        return exit_for(error)
    return Exit.OK


def sentence(state: Json) -> str:
    return f"{state['name']}: {state.get('next_step', 'Unknown')} ({state['reason']}): {state['message']}"


def status(config: Path, names: Sequence[str], *, as_json: bool) -> Exit:
    async def work(services: Services) -> Exit:
        states = await observe_all(services)
        if as_json:
            print(json.dumps({"gateways": states}, indent=2))
        else:
            # Nothing is cut off; a narrow terminal wraps it.
            Console(width=TABLE_WIDTH).print(table(states, services.clock.now()))
            for state in states:
                if state["state"] != "Settled":
                    print(f"{state['name']}: {state['message']}")
                    print_problems(state)
        return worst([exit_of(s) for s in states])

    return work_on(config, names, work)


async def observe_all(services: Services) -> list[Json]:
    """Return the state of each gateway; one that cannot be observed says why."""
    return list(await asyncio.gather(*(observe_gateway(g) for g in services.gateways.values())))


async def observe_gateway(gateway: GatewayServices) -> Json:
    try:
        async with gateway.ports.turn:
            observation = await observe(gateway.gateway, gateway.ports)
    except RotatorError as error:
        name = type(error).__name__
        unknown: Json = {"name": gateway.name, "state": "Unknown", "reason": name, "message": str(error)}
        return unknown | {"token": None, "renewal_at": None, "targets": [], "exit": exit_for(error)}
    return status_of(gateway.name, observation, gateway.policy, gateway.ports.clock.now())


def exit_of(state: Json) -> Exit:
    if "exit" in state:
        return Exit(state["exit"])
    fine = (
        state["state"] in {"Settled", "Held", "InProgress"} and not state["condemned"] and not problems(state)
    )
    return Exit.OK if fine else Exit.UNSETTLED


def problems(state: Json) -> list[str]:
    """Return what is wrong with targets, independent of the next step."""
    flawed = [t for t in state["targets"] if t["message"]]
    return [about(t["name"], t["message"]) for t in [*flawed, *state.get("unreachable", [])]]


def print_problems(state: Json) -> None:
    for problem in problems(state):
        if problem not in state["message"]:
            print(f"{state['name']}: {problem}")
