"""The commands of the build stage, taken from the Dockerfile and run in a folder of their own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rotator import __version__
from tests.image.dockerfile import ROOT, stages

pytestmark = [pytest.mark.image, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the build stage with /src and /opt below a temporary folder; return that folder."""
    root = tmp_path_factory.mktemp("image")
    (root / "src").mkdir()
    (root / "bin").mkdir()
    (root / "bin" / "python").symlink_to(sys._base_executable)  # type: ignore[attr-defined]  # CPython has it
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    env = clean | {"PATH": f"{root}/bin:/usr/bin:/bin", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    for instruction in stages()[0].instructions:
        if instruction.word == "COPY":
            *names, _ = instruction.rest.split()
            for name in names:
                copy(ROOT / name, root / "src" / name)
        elif instruction.word == "RUN":
            command = re.sub(r"(?<!\S)/opt/", f"{root}/opt/", instruction.rest)
            subprocess.run(["sh", "-euc", command], cwd=root / "src", env=env, check=True)
    return root / "opt"


def copy(source: Path, to: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, to, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copy(source, to)


def run(built: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": f"{built}/rotator/bin:/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(words, env=env, cwd="/", capture_output=True, text=True, check=False)


def test_the_program_runs_and_tells_its_version(built: Path) -> None:
    assert run(built, "rotator", "--version").stdout == f"rotator {__version__}\n"


def test_no_sandbox_is_installed(built: Path) -> None:
    assert run(built, "python", "-c", "import sandbox").returncode == 1
    files = [path.relative_to(built) for path in (built / "rotator").rglob("*")]
    assert [path for path in files if {"sandbox", "demo"} & set(path.parts)] == []


def test_the_demo_says_how_to_get_the_sandbox(built: Path) -> None:
    done = run(built, "rotator", "demo")
    assert done.returncode == 2 and "`make demo`" in done.stderr


def test_there_is_no_pip_and_no_tool_of_the_developers(built: Path) -> None:
    for module in ("pip", "pytest", "hatchling", "mypy"):
        assert run(built, "python", "-c", f"import {module}").returncode == 1, module


def test_every_module_is_compiled(built: Path) -> None:
    (packages,) = (built / "rotator" / "lib").glob("python3*/site-packages")
    sources = [p for p in packages.rglob("*.py") if "__pycache__" not in p.parts]
    tag = sys.implementation.cache_tag
    assert len(sources) > 1000
    assert [p for p in sources if not (p.parent / "__pycache__" / f"{p.stem}.{tag}.pyc").exists()] == []


def test_a_missing_configuration_is_told_in_a_sentence(built: Path) -> None:
    done = run(built, "rotator", "run", "-c", "/nowhere/config.toml")
    assert done.returncode == 2 and "/nowhere/config.toml" in done.stderr and "Traceback" not in done.stderr
