"""`rotator`, which says at SIGUSR1 how much its Python objects hold: `python tests/fuzz/weighed.py run ...`."""

from __future__ import annotations

import gc
import itertools
import json
import os
import signal
import sys
import tracemalloc
from asyncio.sslproto import SSLProtocol
from collections.abc import Mapping
from pathlib import Path

KEEPING = "WEIGHED_KEEPS_EVERY"
"""A leak on demand: keep the body of one delivery in so many. It tests the scales."""


def weigh(*_: object) -> None:
    """Write one line to stderr. bytes: of all that Python holds, but for what comes and goes.

    That is the interpreter's cache of attributes, which is emptied: it keeps up to 4,096 names as the very
    strings that C code made to look them up, some 250 kB. And the buffers of TLS connections, 256 KiB each:
    those to the API server are kept for some seconds.
    """
    gc.collect()
    clear = getattr(sys, "_clear_internal_caches", None) or sys._clear_type_cache
    clear()
    held = tracemalloc.get_traced_memory()[0]
    objects = gc.get_objects()
    held -= sum(len(o._ssl_buffer) for o in objects if type(o) is SSLProtocol)  # type: ignore[attr-defined]
    connections = sum(type(o).__name__ == "LimitedProtocol" for o in objects)
    line = {"event": "weighed", "bytes": held, "rss": _resident(), "connections": connections}
    os.write(2, json.dumps(line).encode() + b"\n")


def _resident() -> int:
    """Return the bytes that the process occupies; 0 where there is no /proc."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _leak(every: int) -> None:
    from rotator.eventgrid import webhook
    from rotator.eventgrid.delivery import Delivery

    kept: list[bytes] = []
    deliveries, rightful = itertools.count(1), webhook.parse_delivery

    def parse_delivery(headers: Mapping[str, str], body: bytes) -> Delivery:
        if next(deliveries) % every == 0:
            kept.append(body)
        return rightful(headers, body)

    webhook.parse_delivery = parse_delivery


def main() -> None:
    signal.signal(signal.SIGUSR1, weigh)
    tracemalloc.start()
    from rotator.cli.app import main as rotator

    if every := int(os.environ.get(KEEPING, "0")):
        _leak(every)
    rotator()


if __name__ == "__main__":
    main()
