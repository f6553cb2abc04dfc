"""Turns what pydantic found into sentences that say what to write instead. Quotes no value from the file."""

from __future__ import annotations

import difflib
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from rotator.config import schema_index
from rotator.config.errors import Mistake, Path
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
_SECRETS: dict[str | int, str] = {
    "azure": "set AZURE_CLIENT_SECRET in the environment",
    "webhook": "write them into a file, one in each line, and its path as secret_file",
}


def explain(error: ValidationError) -> list[Mistake]:
    """Return a mistake for each thing that does not fit the model `Document`."""
    found = error.errors(include_url=False, include_input=False)
    paths = [e["loc"] for e in found]

    def hollow(path: Path) -> bool:
        """A list whose items are all wrong counts as empty: the items say enough."""
        return any(other[: len(path)] == path != other for other in paths)

    return [
        _mistake(e["loc"], e["type"], e.get("ctx", {}))
        for e in found
        if not (e["type"] == "too_short" and hollow(e["loc"]))
    ]


def _mistake(path: Path, kind: str, context: dict[str, Any]) -> Mistake:
    if kind == "extra_forbidden":
        return Mistake(path, _unknown(path))
    if kind == "value_error":
        return Mistake(path, str(context["error"]))
    return Mistake(path, f"{_wrong(kind, context)}.{_proposal(path)}".rstrip("."))


def _wrong(kind: str, context: dict[str, Any]) -> str:
    if kind == "literal_error":
        return f"must be one of {context['expected']}".replace("'", '"')
    if kind == "greater_than_equal":
        return f"must be at least {context['ge']}"
    return _WRONG.get(kind, "cannot be read")


def _unknown(path: Path) -> str:
    key, known = str(path[-1]), sorted(_fields(path[:-1]))
    if any(word in key.lower() for word in ("secret", "password")) and path[0] in _SECRETS:
        return f"is no known key. Secrets never stand in this file: {_SECRETS[path[0]]}"
    if homes := schema_index.homes(key):
        return f"is no known key here. It belongs in {' or '.join(homes)}"
    if close := difflib.get_close_matches(key, known, n=1):
        return f"is no known key. Did you mean {close[0]}?"
    return f"is no known key. Known here: {', '.join(known)}"


def _proposal(path: Path) -> str:
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


def _fields(path: Path) -> dict[str, FieldInfo]:
    """Return the fields of the table at path, nothing if there is no such table."""
    table: type[BaseModel] | None = Document
    for part in path:
        if isinstance(part, int):
            continue
        field = table.model_fields.get(part) if table else None
        table = schema_index.within(field.annotation) if field else None
    return table.model_fields if table else {}
