from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rotator.config import Settings, load
from rotator.errors import ConfigError

Write = Callable[[str], Settings]
Mistakes = Callable[[str], tuple[str, ...]]


@pytest.fixture
def settings(tmp_path: Path) -> Write:
    """Loads a text as a configuration file."""

    def write(text: str) -> Settings:
        file = tmp_path / "rotator.toml"
        file.write_text(text, encoding="utf-8")
        return load(file, {"HOME": "/home/somebody"})

    return write


@pytest.fixture
def mistakes(settings: Write) -> Mistakes:
    """Loads a text that has mistakes and returns them."""

    def write(text: str) -> tuple[str, ...]:
        with pytest.raises(ConfigError) as caught:
            settings(text)
        return caught.value.mistakes

    return write
