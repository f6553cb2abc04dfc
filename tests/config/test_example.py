"""config.example.toml cannot rot: it loads, it names every key, and what it calls built-in is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from rotator.config import load
from rotator.config.schema.document import Document
from tests.config.conftest import Write

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
COMMENTED = re.compile(r"^# (\w+ = .+|\[+[\w.]+\]+)$", re.MULTILINE)


def keys(model: type[BaseModel], path: str = "") -> Iterator[str]:
    """Yield the dotted path of every key that a file may have."""
    for name, field in model.model_fields.items():
        if inner := table(field.annotation):
            yield from keys(inner, f"{path}{name}.")
        else:
            yield f"{path}{name}"


def table(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := table(inner))), None)


def written(text: str) -> set[str]:
    """Return the dotted path of every key in the text, commented out or not."""
    found, where = set(), ""
    for line in COMMENTED.sub(r"\1", text).splitlines():
        if head := re.match(r"\[+([\w.]+)\]+", line):
            where = f"{head[1]}."
        elif key := re.match(r"(\w+) = ", line):
            found.add(f"{where}{key[1]}")
            found |= {f"{where}{key[1]}.{inner}" for inner in re.findall(r"[{,] (\w+) = ", line)}
    return found


def test_the_example_loads() -> None:
    assert load(EXAMPLE, {}).gateways[0].name == "oslo"


def test_the_example_loads_with_every_key_commented_in(settings: Write) -> None:
    text, count = COMMENTED.subn(r"\1", EXAMPLE.read_text(encoding="utf-8"))

    assert count > 5
    assert settings(text).gateways[0].targets[0].workloads


GATEWAY_POLICY = {f"gateways.{key}" for key in keys(table(Document.model_fields["defaults"].annotation))}


@pytest.mark.parametrize("key", sorted(set(keys(Document)) - GATEWAY_POLICY))
def test_every_key_stands_in_the_example(key: str) -> None:
    """A gateway's own policy has the keys of [defaults], which stand there."""
    assert key in written(EXAMPLE.read_text(encoding="utf-8"))


def test_what_is_not_commented_out_is_the_built_in_value(settings: Write) -> None:
    """But for the gateway itself, and for the line that says who may deliver."""
    example = load(EXAMPLE, {})
    text = EXAMPLE.read_text(encoding="utf-8")

    who = '[webhook]\nsecret_file = "/etc/rotator/webhook/secrets"\n'
    bare = settings(who + text[text.index("[[gateways]]") :])

    assert bare == example
