"""Numbers that tests have to tell, at the end of a session, whichever process they ran in."""

from __future__ import annotations

import pytest

from tests import crashes


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
