"""The command line without a cloud: help, versions, mistakes, exit codes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rotator import __version__
from rotator.cli.exits import Exit, exit_for, worst
from rotator.errors import Busy, ConfigError, LeaseLost, Refused, Stopping, Unavailable


def rotator(*words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "rotator", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, timeout=60)


def test_version_and_help_answer_without_a_configuration(tmp_path: Path) -> None:
    assert rotator("--version", cwd=tmp_path).stdout == f"rotator {__version__}\n"
    shown = rotator("rotate-now", "--help", cwd=tmp_path)
    assert shown.returncode == 0 and "--dry-run" in shown.stdout


def test_help_does_not_wait_for_the_sdks(tmp_path: Path) -> None:
    code = "import sys, rotator.cli.app; print([m for m in sys.modules if m.split('.')[0] in ('azure', 'kubernetes')])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.strip() == "[]"


def test_a_missing_configuration_is_a_mistake_that_says_what_to_do(tmp_path: Path) -> None:
    done = rotator("status", cwd=tmp_path)
    assert done.returncode == Exit.USAGE
    assert "config.toml: there is no such file" in done.stderr and "Traceback" not in done.stderr


def test_an_unknown_gateway_is_named_with_those_there_are(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(Path("config.example.toml").read_text())
    done = rotator("rotate-now", "nowhere", cwd=tmp_path)
    assert done.returncode == Exit.USAGE and "no gateway is called 'nowhere'. Known: " in done.stderr


@pytest.mark.parametrize("words", [("rotate-now",), ("rotate-now", "oslo", "--all")])
def test_rotate_now_wants_names_or_all_but_not_both(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "config.toml").write_text(Path("config.example.toml").read_text())
    done = rotator(*words, cwd=tmp_path)
    assert done.returncode == Exit.USAGE and "--all" in done.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError(("x",)), 2),
        (Unavailable("x"), 3),
        (Refused("x", "y"), 3),
        (Busy(), 4),
        (LeaseLost(), 4),
        (Stopping(), 130),
    ],
)
def test_every_error_has_its_exit_code(error: Exception, code: int) -> None:
    assert exit_for(error) == code  # type: ignore[arg-type]  # all are ours


def test_of_several_gateways_the_worst_is_told() -> None:
    assert worst([Exit.OK, Exit.UNSETTLED, Exit.UNAVAILABLE]) is Exit.UNAVAILABLE
    assert worst([]) is Exit.OK
    assert set(Exit) == {worst([code]) for code in Exit}


def test_a_user_without_a_home_is_no_defect(tmp_path: Path) -> None:
    """As in a container that runs under a number: no HOME, no entry in passwd."""
    (tmp_path / "config.toml").write_text(Path("config.example.toml").read_text())
    env = {k: v for k, v in os.environ.items() if k != "HOME"} | {"KUBECONFIG": "/nowhere"}
    command = [sys.executable, "-c", "from rotator.cli.app import main; main()", "status"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=env)
    assert done.returncode == Exit.USAGE and "there is no kubeconfig at /nowhere" in done.stderr
