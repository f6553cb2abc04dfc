"""The parts of the docs that are made from the code: `make docs` writes them, `make lint` compares.

Run as `python -m tests.docs.freshness [--write]`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from typer.testing import CliRunner

from rotator.cli.app import app
from rotator.cli.exits import Exit
from rotator.telemetry.metrics import Metrics

ROOT = Path(__file__).parents[2]
COMMANDS = ("", "run", "rotate-now", "plan", "status", "demo")
WIDE = {"COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1"}


def cli() -> str:
    """Return docs/cli.md."""
    parts = ["# The command line\n\nMade by `make docs` from the program itself.\n\n## Exit codes\n"]
    parts.append("| code | meaning |\n| --- | --- |")
    parts += [f"| {code.value} | {code.meaning} |" for code in Exit]
    for command in COMMANDS:
        name = f"rotator {command}".strip()
        words = [command, "--help"] if command else ["--help"]
        shown = CliRunner(env=WIDE).invoke(app, words, prog_name="rotator").output
        text = "\n".join(line.rstrip() for line in shown.strip().splitlines())
        parts.append(f"\n## `{name}`")
        parts.append(f"\n```\n{text}\n```")
    return "\n".join(parts) + "\n"


def metrics() -> str:
    """Return the table of metrics that stands in docs/operations.md."""
    text = Metrics(["oslo"]).render()[0].decode()
    helps = re.findall(r"^# HELP (rotator_\S+) (.*)$", text, re.MULTILINE)
    types = dict(re.findall(r"^# TYPE (rotator_\S+) (\S+)$", text, re.MULTILINE))
    rows = [f"| `{name}` | {types[name]} | {told} |" for name, told in helps]
    return "\n".join(["| metric | type | meaning |", "| --- | --- | --- |", *rows])


def operations() -> str:
    """Return docs/operations.md with its table made anew."""
    page = (ROOT / "docs/operations.md").read_text()
    begin, end = "<!-- metrics -->\n", "\n<!-- /metrics -->"
    head, found, rest = page.partition(begin)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        raise ValueError("docs/operations.md has lost the marks around its table of metrics")
    return head + begin + metrics() + end + tail


PAGES = {"docs/cli.md": cli, "docs/operations.md": operations}


def stale() -> list[str]:
    """Return the pages that no longer say what the program does."""
    return [p for p, make in PAGES.items() if not (ROOT / p).exists() or (ROOT / p).read_text() != make()]


def main() -> int:
    if "--write" in sys.argv:
        for page in stale():
            (ROOT / page).write_text(PAGES[page]())
            print(f"wrote {page}")
        return 0
    for page in stale():
        print(f"{page} is out of date: make docs")
    return bool(stale())


if __name__ == "__main__":
    sys.exit(main())
