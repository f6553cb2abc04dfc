"""Which tables a file has, and which keys stand in which."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from rotator.config.schema.document import Document


def homes(key: str) -> list[str]:
    """Return the headings of the tables in which key may stand: `[defaults]`, `[[gateways.targets]]`."""
    return [heading for heading, table in _tables(Document, "") if key in table.model_fields]


def within(annotation: object) -> type[BaseModel] | None:
    """Return the model inside `Model`, `Model | None` or `tuple[Model, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := within(inner))), None)


def _tables(model: type[BaseModel], path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    for name, field in model.model_fields.items():
        if table := within(field.annotation):
            yield _heading(field, f"{path}{name}"), table
            yield from _tables(table, f"{path}{name}.")


def _heading(field: FieldInfo, path: str) -> str:
    return f"[[{path}]]" if get_origin(field.annotation) is tuple else f"[{path}]"
