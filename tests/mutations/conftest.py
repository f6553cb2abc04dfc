"""Records which test noticed each broken rule, whichever process it ran in: `NOTE=1 make test-mutations`."""

from __future__ import annotations

import json
import os

import pytest

from tests.mutations.test_rules import NOTICED, RECORDED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not os.environ.get("NOTE"):
        return
    noticed = [
        value
        for report in terminalreporter.getreports("passed")
        for name, value in report.user_properties
        if name == "noticed"
    ]
    found = {rule: node for rule, node in noticed if "::" in node}
    NOTICED.write_text(json.dumps(dict(sorted((RECORDED | found).items())), indent=1) + "\n")
