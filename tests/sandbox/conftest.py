"""The running sandbox."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest

if TYPE_CHECKING:
    from sandbox import Sandbox


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[Sandbox]:
    from sandbox import Sandbox  # the cluster's own tests do not need it

    async with Sandbox(tmp_path, ready_delay=0.01, term_delay=0.01) as sandbox:
        yield sandbox


@pytest.fixture
async def call(sandbox):
    """Calls the control API: (status, parsed body)."""
    async with aiohttp.ClientSession(sandbox.control_url) as session:

        async def call(method, path, body=None):
            async with session.request(method, path, json=body) as answer:
                text = await answer.text()
                return answer.status, json.loads(text) if text else None

        yield call


@pytest.fixture
def in_29_days() -> datetime:
    return (datetime.now(UTC) + timedelta(days=29)).replace(second=0, microsecond=0)
