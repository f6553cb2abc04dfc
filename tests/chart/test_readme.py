from __future__ import annotations

import json
from typing import Any

import yaml

from tests.chart import readme
from tests.chart.helm import CHART


def test_the_table_of_values_is_fresh() -> None:
    assert readme.README.read_text() == readme.page(), "python -m tests.chart.readme --write"


def test_every_value_is_in_the_schema_and_every_value_of_the_schema_has_a_default() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert set(values) == set(schema["properties"]) - {"global"}
    for name, value in values.items():
        inner: dict[str, Any] | None = schema["properties"][name].get("properties")
        if inner and name != "config":
            assert set(value) == set(inner), name


def test_every_value_is_explained() -> None:
    told = readme.page()
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert [name for name in values if f"| `{name}" not in told] == []
