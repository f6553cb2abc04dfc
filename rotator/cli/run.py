"""`rotator run`."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from rotator.cli.exits import Exit
from rotator.config import load
from rotator.daemon.serve import serve
from rotator.telemetry.logs import configure


def run(config: Path) -> Exit:
    settings = load(config, os.environ)
    configure(settings.log.level, settings.log.format)
    asyncio.run(serve(settings, os.environ))
    return Exit.OK
