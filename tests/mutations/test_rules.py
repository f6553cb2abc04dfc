"""A test that cannot fail proves nothing: each rule is broken once, and some test has to notice.

`noticed.json` records which test noticed each broken rule: it is tried first, alone. Where it no longer notices,
the mutation's whole list of tests runs. `NOTE=1 make test-mutations` records anew.
"""

from __future__ import annotations

import json
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
NOTICED = Path(__file__).with_name("noticed.json")
RECORDED: dict[str, str] = json.loads(NOTICED.read_text()) if NOTICED.exists() else {}


@pytest.mark.parametrize("mutation", ALL, ids=[m.name for m in ALL])
def test_each_rule_quotes_a_line_that_stands_once(mutation: Mutation) -> None:
    assert (ROOT / mutation.file).read_text().count(mutation.right) == 1


def test_every_test_that_is_recorded_as_having_noticed_exists() -> None:
    assert set(RECORDED) <= {m.name for m in ALL}
    for node in RECORDED.values():
        file, _, name = node.partition("::")
        assert re.search(rf"def {name.partition('[')[0]}\(", (ROOT / file).read_text()), node


@pytest.mark.mutation
@pytest.mark.timeout(400)
@pytest.mark.parametrize("mutation", ALL, ids=[m.name for m in ALL])
def test_a_broken_rule_is_noticed(mutation: Mutation, tmp_path: Path, record_property) -> None:
    broken = tmp_path / "broken"
    for part in ("rotator", "sandbox", "tests"):
        shutil.copytree(ROOT / part, broken / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", broken)
    file = broken / mutation.file
    file.write_text(file.read_text().replace(mutation.right, mutation.wrong))
    recorded = RECORDED.get(mutation.name)
    noticed = (first_failure(broken, (recorded,)) if recorded else "") or first_failure(
        broken, mutation.tests
    )
    print(f"{mutation.name}: {noticed}")
    assert noticed, "no test notices"
    record_property("noticed", (mutation.name, noticed))


def first_failure(tree: Path, tests: tuple[str, ...]) -> str:
    """Return the name of the first test that fails in tree; empty if all pass.

    With CI set, hypothesis draws the same inputs every time: every run finds the same.
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
    failed = re.findall(r"^(?:FAILED|ERROR) (\S.*?)(?: - .*)?$", done.stdout, re.MULTILINE)
    assert done.returncode in {0, 1, 2, 4}, done.stdout + done.stderr
    return failed[0] if failed else ""
