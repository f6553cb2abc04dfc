"""`rotator plan` and `rotator status`: look, and say what is seen. Nothing is written."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from rotator.cli.exits import Exit, exit_for, worst
from rotator.cli.session import work_on
from rotator.core.explain import span
from rotator.daemon.clock import SystemClock
from rotator.daemon.site import Site, Unit
from rotator.daemon.status import Json, status_of
from rotator.errors import RotatorError
from rotator.rotation import look
from rotator.rotation.silent import SILENT

WIDE = 1000


def plan(config: Path, names: Sequence[str]) -> Exit:
    async def work(_: Site, units: Sequence[Unit], clock: SystemClock) -> Exit:
        states = await look_at(units, clock)
        for state in states:
            print(sentence(state))
        return worst([exit_of(s) for s in states])

    return work_on(config, names, work)


def sentence(state: Json) -> str:
    step, look = state.get("next_step", "Unknown"), state.get("next_look_at")
    then = f" (next look {look})" if look else ""
    return f"{state['name']}: {step} ({state['reason']}): {state['message']}{then}"


def status(config: Path, names: Sequence[str], *, as_json: bool) -> Exit:
    async def work(_: Site, units: Sequence[Unit], clock: SystemClock) -> Exit:
        states = await look_at(units, clock)
        if as_json:
            print(json.dumps({"gateways": states}, indent=2))
        else:
            # Without a terminal there is no width to keep to: nothing is cut off or wrapped.
            Console(width=None if sys.stdout.isatty() else WIDE).print(table(states, clock.now()))
            for state in states:
                if state["state"] != "Settled":
                    print(f"{state['name']}: {state['message']}")
        return worst([exit_of(s) for s in states])

    return work_on(config, names, work)


async def look_at(units: Sequence[Unit], clock: SystemClock) -> list[Json]:
    """Return the state of each gateway; one that cannot be looked at says why."""
    return list(await asyncio.gather(*(one(u, clock) for u in units)))


async def one(unit: Unit, clock: SystemClock) -> Json:
    try:
        async with unit.turn:
            seen = await look(unit.ports(clock, SILENT))
    except RotatorError as error:
        name = type(error).__name__
        unknown: Json = {"name": unit.gateway.name, "state": "Unknown", "reason": name, "message": str(error)}
        return unknown | {"token": None, "renewal_at": None, "targets": [], "exit": exit_for(error)}
    return status_of(unit.gateway.name, seen, unit.gateway.policy, clock.now())


def exit_of(state: Json) -> Exit:
    if "exit" in state:
        return Exit(state["exit"])
    return Exit.OK if state["state"] in {"Settled", "InProgress"} else Exit.UNSETTLED


def table(states: Sequence[Json], now: datetime) -> Table:
    out = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("GATEWAY", "STATE", "TOKEN", "KEY", "EXPIRES", "IN", "RENEWAL", "PODS"):
        out.add_column(column, no_wrap=column in {"GATEWAY", "TOKEN"})
    for state in states:
        token = state["token"] or {}
        out.add_row(
            state["name"],
            state["state"],
            token.get("fingerprint") or "-",
            token.get("key") or "-",
            short(token.get("expires_at")),
            left(token.get("expires_at"), now),
            short(state["renewal_at"]),
            pods(state),
        )
    return out


def short(at: str | None) -> str:
    return f"{datetime.fromisoformat(at):%Y-%m-%d %H:%M}" if at else "-"


def left(at: str | None, now: datetime) -> str:
    return span(datetime.fromisoformat(at) - now) if at else "-"


def pods(state: Json) -> str:
    """Return how many pods work with the token in force, of how many."""
    loads = [w for t in state["targets"] for w in t["workloads"]]
    return f"{sum(min(w['working'], w['current']) for w in loads)}/{sum(w['pods'] for w in loads)}"
