"""Ends a command at Ctrl-C or SIGTERM."""

from __future__ import annotations

import asyncio
import signal


def stop_requested() -> asyncio.Event:
    """Return an event that SIGINT or SIGTERM sets. From now on they no longer end the process."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
