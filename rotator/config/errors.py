"""Errors in a configuration file: where, what is wrong, what to write instead."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
FieldPath = tuple[str | int, ...]

_NAME = re.compile(r"[a-z0-9-]{1,63}")


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field.

    path: the keys and list positions that lead to it. text: a sentence or two without a final full stop.
    """

    path: FieldPath
    text: str


def format_errors(errors: list[FieldError], raw: Json) -> tuple[str, ...]:
    """Return one line for each error in the order of the file's tables. It names the gateway, if any."""
    tables = list(raw)

    def place(error: FieldError) -> tuple[int, int]:
        table, *rest = (*error.path, -1)
        return tables.index(table) if table in tables else len(tables), next(
            (part for part in rest if isinstance(part, int)), -1
        )

    return tuple(dict.fromkeys(_line(error, raw) for error in sorted(errors, key=place)))


def _line(error: FieldError, raw: Json) -> str:
    name = _gateway(error.path, raw)
    where = f" (gateway {name})" if name else ""
    return f"{dotted(error.path)}: {error.text}{where}"


def dotted(path: FieldPath) -> str:
    """Return a path as people write it: `gateways[0].targets[1].secret`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def _gateway(path: FieldPath, raw: Json) -> str | None:
    if len(path) < 2 or path[0] != "gateways" or not isinstance(path[1], int):
        return None
    table = raw["gateways"][path[1]]
    name = table.get("name") if isinstance(table, dict) else None
    return name if isinstance(name, str) and _NAME.fullmatch(name) else None
