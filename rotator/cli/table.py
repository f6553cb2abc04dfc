"""The table of `rotator status`: a row for each gateway, and for each of its Secrets if it has several."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rich.table import Table
from rich.text import Text

from rotator.app.status import Json
from rotator.cli.columns import COLUMNS
from rotator.durations import human_duration


def table(states: Sequence[Json], now: datetime) -> Table:
    """Return the table as of now. states: as app/status.py has them."""
    out = Table(box=None, header_style="bold", pad_edge=False)
    for column in COLUMNS:
        out.add_column(column, no_wrap=True)
    for state in states:
        targets, away = state["targets"], state.get("unreachable", [])
        whole = [state["name"], standing(state), *holds(targets, now)]
        add(out, [*whole, renews(state, now), "-" if away and not targets else pods(targets)])
        if len(targets) + len(away) > 1:
            for target in targets:
                add(out, [f"  {target['name']}", "", *holds([target], now), "", pods([target])])
            for target in away:
                add(out, [f"  {target['name']}", "", "-", "-", "-", "-", "", "-"])
    return out


def add(out: Table, cells: Sequence[str]) -> None:
    out.add_row(*(Text(cell) for cell in cells))


def standing(state: Json) -> str:
    """Return the state, or the next step where there is one to take."""
    step = state.get("next_step", "Rest")
    return str(state["state"]) if step == "Rest" else f"→ {step}"


def holds(targets: Sequence[Json], now: datetime) -> list[str]:
    """Return what Secrets hold: TOKEN, KEY, EXPIRES, LEFT."""
    found = [t for t in targets if t["fingerprint"]]
    names = sorted({t["fingerprint"] for t in found})
    keys = {"dead" if t["dead"] else str(t["key"] or "-") for t in found}
    first = min((datetime.fromisoformat(t["expires_at"]) for t in found if t["expires_at"]), default=None)
    return [
        names[0] if len(names) == 1 else f"{len(names)} tokens" if names else "-",
        keys.pop() if len(keys) == 1 else "-",
        f"{first:%Y-%m-%d %H:%M}" if first else "-",
        left(first, now) if first else "-",
    ]


def left(at: datetime, now: datetime) -> str:
    return human_duration(at - now) if at > now else "expired"


def renews(state: Json, now: datetime) -> str:
    if state.get("due"):
        retry = state["retry_at"] and datetime.fromisoformat(state["retry_at"])
        return human_duration(retry - now) if retry and retry > now else "due"
    at = state["renewal_at"] and datetime.fromisoformat(state["renewal_at"])
    return human_duration(at - now) if at else "-"


def pods(targets: Sequence[Json]) -> str:
    loads = [w for t in targets for w in t["workloads"]]
    if not loads:
        return "-"
    total = sum(w["pods"] for w in loads)
    if any(w["running"] is None for w in loads):
        return f"?/{total}"
    granted = "~" if any(t["assumed"] for t in targets) else ""
    return f"{granted}{sum(w['running'] for w in loads)}/{total}"
