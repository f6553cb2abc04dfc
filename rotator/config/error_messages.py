"""Turns pydantic's errors into sentences that say what to write instead. Quotes no value from the file."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from rotator.config.errors import FieldError, FieldPath
from rotator.config.schema.document import Document

_WRONG = {
    "missing": "is missing",
    "string_type": "must be text in quotes",
    "path_type": "must be a path in quotes",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
}
_TAKE_OUT = "is not supported in this version: the rotator does not probe pods. Take this line out"
_CONTEXTS = (
    "is not how several clusters are written. Name their kubeconfig under [kubernetes], and write context "
    "in each target"
)
UNSUPPORTED = {
    "probe": _TAKE_OUT,
    "clusters": _CONTEXTS,
    "kubernetes.clusters": _CONTEXTS,
    "defaults.probe": _TAKE_OUT,
    "gateways.probe": _TAKE_OUT,
    "gateways.targets.cluster": _CONTEXTS,
    "gateways.targets.probe": _TAKE_OUT,
}
"""Keys that an operator may expect, by their path without list positions, and why they are refused."""
_SECRETS: dict[str | int, str] = {
    "azure": "set AZURE_CLIENT_SECRET in the environment",
    "webhook": "write them into a file, one in each line, and its path as secret_file",
}


def explain(error: ValidationError) -> list[FieldError]:
    """Return an error for each field that does not fit the model `Document`."""
    found = error.errors(include_url=False, include_input=False)
    paths = [e["loc"] for e in found]

    def hollow(path: FieldPath) -> bool:
        """Pydantic counts a list of invalid items as empty; the errors of its items are enough."""
        return any(other[: len(path)] == path != other for other in paths)

    return [
        _error(e["loc"], e["type"], e.get("ctx", {}))
        for e in found
        if not (e["type"] == "too_short" and hollow(e["loc"]))
    ]


def _error(path: FieldPath, kind: str, context: dict[str, Any]) -> FieldError:
    if kind == "extra_forbidden":
        return FieldError(path, _unknown(path))
    if kind == "value_error":
        return FieldError(path, str(context["error"]))
    return FieldError(path, f"{_wrong(kind, context)}.{_proposal(path)}".rstrip("."))


def _wrong(kind: str, context: dict[str, Any]) -> str:
    if kind == "literal_error":
        return f"must be one of {context['expected']}".replace("'", '"')
    if kind == "greater_than_equal":
        return f"must be at least {context['ge']}"
    return _WRONG.get(kind, "cannot be read")


def _unknown(path: FieldPath) -> str:
    if sentence := UNSUPPORTED.get(".".join(part for part in path if isinstance(part, str))):
        return sentence
    key, known = str(path[-1]), sorted(_fields(path[:-1]))
    if any(word in key.lower() for word in ("secret", "password")) and path[0] in _SECRETS:
        return f"is not a known key. This file never holds secrets: {_SECRETS[path[0]]}"
    if homes := _tables_with(key):
        return f"is not a known key here. It belongs in {' or '.join(homes)}"
    if close := difflib.get_close_matches(key, known, n=1):
        return f"is not a known key. Did you mean {close[0]}?"
    return f"is not a known key. Known here: {', '.join(known)}"


def _proposal(path: FieldPath) -> str:
    """Return what to write, from the examples of the innermost named field."""
    named = [n for n, part in enumerate(path) if isinstance(part, str)]
    if not named:
        return ""
    key = str(path[named[-1]])
    field = _fields(path[: named[-1]]).get(key)
    if field is None:
        return ""
    if not field.examples:
        return f" Write [{'.'.join(map(str, path))}] on a line of its own, and its keys below"
    example = str(field.examples[0])
    return f" Write {example}" if example.startswith("[[") else f" Write {key} = {example}"


def _fields(path: FieldPath) -> dict[str, FieldInfo]:
    """Return the fields of the table at path, nothing if there is no such table."""
    table: type[BaseModel] | None = Document
    for part in path:
        if isinstance(part, int):
            continue
        field = table.model_fields.get(part) if table else None
        table = _model_in(field.annotation) if field else None
    return table.model_fields if table else {}


def _tables_with(key: str) -> list[str]:
    """Return the headings of the tables in which key may stand: `[defaults]`, `[[gateways.targets]]`."""
    return [heading for heading, table in _tables(Document, "") if key in table.model_fields]


def _model_in(annotation: object) -> type[BaseModel] | None:
    """Return the model inside `Model`, `Model | None` or `tuple[Model, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _model_in(inner))), None)


def _tables(model: type[BaseModel], path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    for name, field in model.model_fields.items():
        if table := _model_in(field.annotation):
            yield _heading(field, f"{path}{name}"), table
            yield from _tables(table, f"{path}{name}.")


def _heading(field: FieldInfo, path: str) -> str:
    return f"[[{path}]]" if get_origin(field.annotation) is tuple else f"[{path}]"
