"""What holds for every test: properties have no deadline, and numbers are told at the end of a session."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import settings

from tests import crashes
from tests.loop_clock import Later

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


@pytest.fixture
async def later() -> Later:
    """Give the test's event loop, which ends with the test, a clock that can be moved ahead."""
    made = Later()
    asyncio.get_running_loop().time = made  # type: ignore[method-assign]  # asyncio has no way to set it
    return made


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests recorded under `covered`, and how many crashes were survived."""
    lines = [
        str(value)
        for report in terminalreporter.getreports("passed")
        for name, value in report.user_properties
        if name == "covered"
    ]
    lines += crashes.totals(terminalreporter)
    if lines:
        terminalreporter.section("what was covered")
        for line in lines:
            terminalreporter.write_line(line)
