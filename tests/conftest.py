"""What holds for every test: properties have no deadline, and numbers are told at the end of a session."""

from __future__ import annotations

import pytest
from hypothesis import settings

from tests import crashes

settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


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
