"""The walk of one event, as docs/walk-of-an-event.md lists it. WRITE=1 writes the list anew."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from sandbox.azure.events import near_expiry
from sandbox.demo.process import Daemon
from tests.process.process_env import WAIT_TIMEOUT, ProcessEnv, post, run_ended

PAGE = Path(__file__).parents[2] / "docs" / "walk-of-an-event.md"
WALKED = str(Path(__file__).with_name("walked.py"))


@pytest.mark.process
async def test_the_walk_of_one_event_is_as_the_page_lists_it(env: ProcessEnv, tmp_path: Path) -> None:
    await env.deploy("oslo")
    walk = tmp_path / "walk"
    program = (WALKED, str(walk))
    environment = env.environment() | {"PYTHONPATH": str(PAGE.parents[1])}
    async with Daemon(str(env.config), environment, program=program) as daemon:
        await daemon.line(lambda x: x["event"] == "ready", WAIT_TIMEOUT)
        await daemon.line(run_ended("oslo"), WAIT_TIMEOUT)
        daemon.process.send_signal(signal.SIGUSR1)
        event = near_expiry(env.azure("oslo"), env.expiry("oslo"), "oslo-0")
        status, _ = await post(daemon, [event])
    assert status == 200
    passed = walk.read_text().split()
    listed = re.findall(r"^\d+\. `(.*)`$", PAGE.read_text(), re.MULTILINE)
    if os.environ.get("WRITE"):
        write(passed)
    else:
        assert set(passed) == set(listed), "the page is stale: run this test with WRITE=1"


def write(passed: list[str]) -> None:
    head = PAGE.read_text().partition("\n1. ")[0]
    modules = {line.partition(":")[0] for line in passed}
    head = re.sub(r"\d+ functions in \d+ modules", f"{len(passed)} functions in {len(modules)} modules", head)
    PAGE.write_text(head + "\n" + "".join(f"{n}. `{line}`\n" for n, line in enumerate(passed, 1)))
