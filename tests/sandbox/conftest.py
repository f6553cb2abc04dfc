"""The whole sandbox, entered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from sandbox import Sandbox


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    from sandbox import Sandbox  # the cluster's own tests do without

    async with Sandbox(tmp_path, ready_delay=0.01, term_delay=0.01) as sandbox:
        yield sandbox


@pytest.fixture
def in_29_days() -> datetime:
    return (datetime.now(UTC) + timedelta(days=29)).replace(second=0, microsecond=0)
