"""Mistakes in a configuration file: where, what is wrong, what to write instead."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
Path = tuple[str | int, ...]

_NAME = re.compile(r"[a-z0-9-]{1,63}")


@dataclass(frozen=True, slots=True)
class Mistake:
    """path: the keys and list positions that lead to it. text: a sentence or two, no full stop at the end."""

    path: Path
    text: str


def show(mistakes: list[Mistake], raw: Json) -> tuple[str, ...]:
    """Return one line per mistake, in the order of the file's tables, each naming the gateway it is about."""
    tables = list(raw)

    def place(mistake: Mistake) -> tuple[int, int]:
        table, *rest = (*mistake.path, -1)
        return tables.index(table) if table in tables else len(tables), next(
            (part for part in rest if isinstance(part, int)), -1
        )

    return tuple(dict.fromkeys(_line(mistake, raw) for mistake in sorted(mistakes, key=place)))


def _line(mistake: Mistake, raw: Json) -> str:
    name = _gateway(mistake.path, raw)
    where = f" (gateway {name})" if name else ""
    return f"{dotted(mistake.path)}: {mistake.text}{where}"


def dotted(path: Path) -> str:
    """Return a path as people write it: `gateways[0].targets[1].secret`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def _gateway(path: Path, raw: Json) -> str | None:
    if len(path) < 2 or path[0] != "gateways" or not isinstance(path[1], int):
        return None
    table = raw["gateways"][path[1]]
    name = table.get("name") if isinstance(table, dict) else None
    return name if isinstance(name, str) and _NAME.fullmatch(name) else None
