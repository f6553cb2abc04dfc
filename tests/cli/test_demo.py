"""`rotator demo` where the sandbox stands beside the package, and where it does not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import rotator

PACKAGE = Path(rotator.__file__).parent


def run(at: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rotator", "demo", "--keep"]
    env = os.environ | {"PYTHONPATH": str(at)}
    return subprocess.run(command, cwd=at, env=env, capture_output=True, text=True, check=False, timeout=60)


def test_the_demo_runs_the_sandbox_beside_the_package(tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "rotator")
    (tmp_path / "sandbox").mkdir()
    (tmp_path / "sandbox" / "__init__.py").touch()
    (tmp_path / "sandbox" / "__main__.py").write_text("import sys; print(*sys.argv[1:]); sys.exit(7)")

    done = run(tmp_path)

    assert (done.returncode, done.stdout) == (7, "demo --keep\n")


def test_without_a_sandbox_the_demo_says_how_to_get_one(tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "rotator")

    done = run(tmp_path)

    assert done.returncode == 2
    assert "clone the project and run `make demo`" in done.stderr and "Traceback" not in done.stderr
