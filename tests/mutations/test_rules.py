"""A test that cannot fail proves nothing: each rule is broken once, and some test has to notice."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutations.adapters import ADAPTERS
from tests.mutations.limits import WORST_HOUR
from tests.mutations.rules import RULES, Mutation

ROOT = Path(__file__).parents[2]
ALL = [*RULES, *WORST_HOUR, *ADAPTERS]


@pytest.mark.parametrize("mutation", ALL, ids=[m.name for m in ALL])
def test_each_rule_quotes_a_line_that_stands_once(mutation: Mutation) -> None:
    assert (ROOT / mutation.file).read_text().count(mutation.right) == 1


@pytest.mark.mutation
@pytest.mark.timeout(400)
@pytest.mark.parametrize("mutation", ALL, ids=[m.name for m in ALL])
def test_a_broken_rule_is_noticed(mutation: Mutation, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    for part in ("rotator", "sandbox", "tests"):
        shutil.copytree(ROOT / part, broken / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", broken)
    file = broken / mutation.file
    source = file.read_text()
    file.write_text(source.replace(mutation.right, mutation.wrong))
    noticed = first_failure(broken, mutation.tests)
    print(f"{mutation.name}: {noticed}")
    assert noticed, "no test notices"


def first_failure(tree: Path, tests: tuple[str, ...]) -> str:
    """Return the name of the first test that fails in tree; empty if all pass.

    With CI set, hypothesis draws the same inputs every time: whoever runs this finds the same.
    """
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", *tests]
    env = os.environ | {
        "CI": "true",
        "N": os.environ.get("N", "250"),
        "SHRINK": "no",
        "PYTHONPATH": str(tree),
    }
    try:
        done = subprocess.run(
            command, cwd=tree, env=env, capture_output=True, text=True, timeout=300, check=False
        )
    except subprocess.TimeoutExpired:
        return "hangs"
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    assert done.returncode in {0, 1, 2}, done.stdout + done.stderr
    return failed[0] if failed else ""
