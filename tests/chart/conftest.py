from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.helm import CHART, REASON, Helm, find


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "chart: renders the Helm chart with the real engine")


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    command = find()
    if command is None:
        if os.environ.get("CI") == "true":
            pytest.fail(REASON)
        pytest.skip(REASON)
    return Helm(command, tmp_path_factory.mktemp("helm"))


@pytest.fixture
def least() -> dict[str, Any]:
    """Values that render, to be spoilt or enriched."""
    return values("least")


@pytest.fixture
def two() -> dict[str, Any]:
    return values("two-gateways")


def values(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(Path(CHART, "ci", f"{name}-values.yaml").read_text())
    return found
