"""Counts runs in which a process was killed and the next one met a fault, whichever process they ran in."""

from __future__ import annotations

import pytest

NAME = "crash"


def note(node: pytest.Item, suite: str, point: str, fault: str) -> None:
    """Count a run: where the process was killed ("before issue"), which fault the next one met."""
    node.user_properties.append((NAME, [suite, point, fault]))


def totals(reporter: pytest.TerminalReporter) -> list[str]:
    """Return a line for each suite: different crash points, different faults ("nothing" is none), runs passed."""
    runs: dict[str, list[tuple[str, str]]] = {}
    for report in reporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == NAME:
                suite, point, fault = value
                runs.setdefault(suite, []).append((point, fault))
    return [
        f"{suite}: crash points: {len({p for p, _ in made})}, faults: {len({f for _, f in made} - {'nothing'})}, "
        f"runs: {len(made)}"
        for suite, made in runs.items()
    ]
