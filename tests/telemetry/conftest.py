from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

import pytest

from rotator.telemetry import configure
from rotator.telemetry.logs import LIBRARY_LEVELS


@dataclass
class Lines:
    stream: StringIO = field(default_factory=StringIO)

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    @property
    def json(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]

    def about(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.json if line["event"] == event]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What is logged at level debug as JSON; logging is put back as it was."""
    root = logging.getLogger()
    before = list(root.handlers), root.level, {name: logging.getLogger(name).level for name in LIBRARY_LEVELS}
    lines = Lines()
    configure("debug", "json", lines.stream)
    yield lines
    root.handlers, root.level = before[0], before[1]
    root.setLevel(before[1])
    for name, level in before[2].items():
        logging.getLogger(name).setLevel(level)
