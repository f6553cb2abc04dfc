"""Label and field selectors, in the syntax of the API's query parameters."""

from __future__ import annotations

import re
from collections.abc import Callable

from sandbox.cluster.statuses import bad_request
from sandbox.common import Json

Test = Callable[[Json], bool]
"""Whether an object is selected."""

_SET = re.compile(r"^\s*(?P<key>[^\s!=,()]+)\s+(?P<op>in|notin)\s*\((?P<values>[^)]*)\)\s*$")
_EQUAL = re.compile(r"^\s*(?P<key>[^\s!=,()]+)\s*(?P<op>==|=|!=)\s*(?P<value>[^\s!=,()]*)\s*$")
_EXISTS = re.compile(r"^\s*(?P<not>!?)\s*(?P<key>[^\s!=,()]+)\s*$")
_COMMA = re.compile(r",(?![^(]*\))")
_FIELDS = (
    "metadata.",
    "involvedObject.",
    "status.phase",
    "spec.nodeName",
    "type",
    "reason",
    "source",
    "reportingComponent",
)


def _labels(obj: Json) -> dict[str, str]:
    return obj["metadata"].get("labels") or {}


def _requirement(text: str) -> Test:
    if found := _SET.match(text):
        key, wanted = found["key"], {value.strip() for value in found["values"].split(",")}
        if found["op"] == "in":
            return lambda obj: _labels(obj).get(key) in wanted
        return lambda obj: _labels(obj).get(key) not in wanted
    if found := _EQUAL.match(text):
        key, value = found["key"], found["value"]
        if found["op"] == "!=":
            return lambda obj: _labels(obj).get(key) != value
        return lambda obj: _labels(obj).get(key) == value
    if found := _EXISTS.match(text):
        key, present = found["key"], not found["not"]
        return lambda obj: (key in _labels(obj)) is present
    raise bad_request(f"unable to parse requirement: found '{text}', expected: a label requirement")


def _field(obj: Json, path: str) -> str:
    node: object = obj
    for part in path.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    return "" if node is None else str(node)


def _field_requirement(text: str) -> Test:
    found = _EQUAL.match(text)
    if not found:
        raise bad_request(f"invalid field selector: '{text}'; can't understand '{text}'")
    path, value = found["key"], found["value"]
    if not path.startswith(_FIELDS):
        raise bad_request(f'field label not supported: "{path}"')
    if found["op"] == "!=":
        return lambda obj: _field(obj, path) != value
    return lambda obj: _field(obj, path) == value


def parse(labels: str | None, fields: str | None) -> Test:
    """Return one test for both selectors.

    Raises:
        ApiError: 400 for a selector that cannot be read.
    """
    tests = [_requirement(part) for part in _COMMA.split(labels)] if labels else []
    tests += [_field_requirement(part) for part in fields.split(",")] if fields else []
    return lambda obj: all(test(obj) for test in tests)


def matches(selector: Json, labels: dict[str, str]) -> bool:
    """Whether a workload's `spec.selector` (matchLabels, matchExpressions) selects these labels."""
    wanted: dict[str, str] = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _expression(expression, labels) for expression in selector.get("matchExpressions") or []
    )


def _expression(expression: Json, labels: dict[str, str]) -> bool:
    key, values = expression["key"], expression.get("values") or []
    match expression["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case _:
            return key not in labels
