"""Makes the table of values in the chart's README from the comments in values.yaml and from the schema.

Run as `python -m tests.chart.readme [--write]`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import yaml

from tests.chart.helm import CHART

README = CHART / "README.md"
BEGIN, END = "<!-- values -->\n", "<!-- /values -->"
_LINE = re.compile(r"(?P<indent> *)(?P<key>[A-Za-z]\w*):(?P<rest>.*)")


def comments(text: str) -> Iterator[tuple[str, str]]:
    """Yield each key's path and the comment above it; keys of lists and of comments are passed over."""
    path: list[str] = []
    comment: list[str] = []
    for line in text.splitlines():
        if line.strip().startswith("#"):
            comment.append(line.strip().removeprefix("#").strip())
        elif found := _LINE.fullmatch(line):
            path = [*path[: len(found["indent"]) // 2], found["key"]]
            yield ".".join(path), " ".join(comment)
            comment = []
        else:
            comment = []


def schema_of(schema: dict[str, Any], path: str) -> dict[str, Any]:
    for part in path.split("."):
        schema = schema.get("properties", {}).get(part, {})
    return schema


def at(values: Any, path: str) -> Any:
    for part in path.split("."):
        values = values[part]
    return values


def rows() -> Iterator[str]:
    """Yield the rows: what has a default of its own, or is explained as a whole."""
    text = (CHART / "values.yaml").read_text()
    values, schema = yaml.safe_load(text), json.loads((CHART / "values.schema.json").read_text())
    for path, comment in comments(text):
        default = at(values, path)
        told = comment or schema_of(schema, path).get("description", "")
        whole = isinstance(default, dict) and default
        shown = "" if whole else f"`{json.dumps(default)}`"
        if told and not (whole and path.count(".")):
            yield f"| `{path}` | {shown} | {told.replace('|', '/')} |"


def configuration() -> Iterator[str]:
    """Yield the rows of the configuration's keys, from the schema."""
    schema = json.loads((CHART / "values.schema.json").read_text())["properties"]["config"]["properties"]
    for table, told in schema.items():
        if table == "gateways":
            yield from _keys("config.gateways[]", told["items"])
            yield from _keys("config.gateways[].targets[]", told["items"]["properties"]["targets"]["items"])
        else:
            yield from _keys(f"config.{table}", told)


def _keys(path: str, schema: dict[str, Any]) -> Iterator[str]:
    for key, told in schema["properties"].items():
        said = (
            told["description"]
            if path != "config.gateways[]" or key not in _POLICY
            else "As in config.defaults."
        )
        choice = (
            f" One of {', '.join(f'`{c}`' for c in told['enum'])}." if len(told.get("enum", ())) > 1 else ""
        )
        yield f"| `{path}.{key}` | {said}{choice} |"


_POLICY = json.loads((CHART / "values.schema.json").read_text())["properties"]["config"]["properties"][
    "defaults"
]["properties"]


def page() -> str:
    """Return the README with its tables made anew."""
    head, _, rest = README.read_text().partition(BEGIN)
    tail = rest.partition(END)[2]
    tables = ["| value | default | meaning |", "| --- | --- | --- |", *rows(), ""]
    tables += ["### The configuration", "", "| value | meaning |", "| --- | --- |", *configuration(), ""]
    return head + BEGIN + "\n".join(tables) + END + tail


def main() -> int:
    if README.read_text() == page():
        return 0
    if "--write" in sys.argv:
        README.write_text(page())
        return 0
    print(f"{README.name} of the chart is out of date: python -m tests.chart.readme --write")
    return 1


if __name__ == "__main__":
    sys.exit(main())
