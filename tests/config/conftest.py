from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rotator.config import Settings, load
from rotator.errors import ConfigError

Write = Callable[[str], Settings]
Errors = Callable[[str], tuple[str, ...]]


@pytest.fixture
def settings(tmp_path: Path) -> Write:
    """Loads a text as a configuration file."""

    def write(text: str) -> Settings:
        file = tmp_path / "rotator.toml"
        file.write_text(text, encoding="utf-8")
        return load(file, {"HOME": "/home/somebody"})

    return write


@pytest.fixture
def errors(settings: Write) -> Errors:
    """Loads a text that has errors and returns them."""

    def write(text: str) -> tuple[str, ...]:
        with pytest.raises(ConfigError) as caught:
            settings(text)
        return caught.value.errors

    return write
