"""A flood of odd requests leaves nothing behind."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuzz.campaign import Campaign, campaign
from tests.fuzz.mutate import mutate
from tests.fuzz.odd_requests import BEARER, EVENTS, Request
from tests.fuzz.port import DOORS, SECRET

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "3000"))
AT_A_TIME = 16
MOST_GROWTH = 100_000 + 40 * EXAMPLES
"""Bytes. Measured: 54,000 for 1,600 requests, 72,000 for 4,000, 234,000 for 10,000; to keep one body in ten
of 3,000 is 420,000."""


@pytest.mark.fuzz
@pytest.mark.timeout(3600)
def test_thousands_of_deliveries_leave_no_memory_behind(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    dice = random.Random(1)
    with campaign(tmp_path) as made:
        _thrown(made, dice, 1_600)  # buffers, caches and connections are what they will be
        tracemalloc.start()
        try:
            _thrown(made, dice, 400)
            before = _kept(made)
            _thrown(made, dice, EXAMPLES)
            grown = _kept(made) - before
        finally:
            tracemalloc.stop()
        made.well()
    record_property("covered", f"memory after {EXAMPLES} more requests to the webhook: {grown:+,} bytes")
    assert grown < MOST_GROWTH


def _thrown(made: Campaign, dice: random.Random, count: int) -> None:
    for _ in range(0, count, AT_A_TIME):
        made.throw([_request(dice) for _ in range(AT_A_TIME)])


def _request(dice: random.Random) -> Request:
    """Mostly a real delivery that is bent, from one of many sources; with a credential or without."""
    raw = dice.choice(EVENTS) if dice.random() < 0.3 else mutate(dice.choice(EVENTS), dice, EVENTS)
    headers = {
        "host": "rotator",
        "content-type": "application/json",
        "content-length": str(len(raw)),
        "x-forwarded-for": f"10.{dice.randrange(4)}.{dice.randrange(16)}.1",
    }
    if dice.random() < 0.8:
        headers |= {"x-rotator-secret": SECRET, "authorization": f"Bearer {BEARER}"}
    if dice.random() < 0.2:
        headers[f"x-{dice.randrange(10**9)}"] = "y" * dice.randrange(9_000)
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    path = "/events" if dice.random() < 0.9 else f"/{dice.randrange(10**9)}"
    return dice.choice(DOORS), [f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + raw]


def _kept(made: Campaign) -> int:
    """Return the bytes that Python holds when nothing is under way."""
    made.runner.run(asyncio.sleep(2.5))  # what was refused is let run dry for two seconds
    gc.collect()
    return tracemalloc.get_traced_memory()[0]
