"""What the API server was asked, by whom: its audit log, read as a table."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, order=True)
class Call:
    """One request: what RBAC decided on, and its answer. `name` is "" for collections, as for RBAC."""

    verb: str
    resource: str
    name: str
    namespace: str
    code: int
    allowed: bool


def entries(log: Path, user: str) -> list[Json]:
    """Every line about requests of `user`."""
    return [line for line in _lines(log) if line["user"]["username"] == user]


def calls(log: Path, user: str) -> list[Call]:
    """The requests of `user` for resources, in the order of their ends."""
    found = []
    for line in entries(log, user):
        thing = line.get("objectRef") or {}
        resource = "/".join(filter(None, (thing.get("resource", ""), thing.get("subresource", ""))))
        found.append(
            Call(
                line["verb"],
                resource or line["requestURI"],
                "" if line["verb"] == "create" else thing.get("name", ""),
                thing.get("namespace", ""),
                line["responseStatus"]["code"],
                line["annotations"].get("authorization.k8s.io/decision") == "allow",
            )
        )
    return found


def table(made: list[Call]) -> list[tuple[str, str, str, int]]:
    """(verb, resource, name, count), most used resources together."""
    counted = Counter((call.resource, call.verb, call.name) for call in made)
    return [(verb, resource, name, n) for (resource, verb, name), n in sorted(counted.items())]


def _lines(log: Path) -> Iterator[Json]:
    with log.open() as file:
        for text in file:
            if text.endswith("\n"):  # the last line may still be being written
                yield json.loads(text)
