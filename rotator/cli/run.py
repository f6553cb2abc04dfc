"""`rotator run`."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from rotator.cli.exits import Exit
from rotator.daemon.main import serve


def run(config: Path) -> Exit:
    asyncio.run(serve(config, os.environ))
    return Exit.OK
