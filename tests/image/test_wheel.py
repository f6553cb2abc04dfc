"""What is in the wheel, and so in the image: the product without its sandbox."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.image.dockerfile import ROOT

SIMULATED = re.compile(r"sandbox\.(azure|cluster|demo|fleet|faults|world)|from sandbox|import sandbox")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    directory = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(directory)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = directory.glob("*.whl")
    return zipfile.ZipFile(built)


def test_the_wheel_holds_the_product_and_nothing_beside_it(wheel: zipfile.ZipFile) -> None:
    top = {Path(name).parts[0] for name in wheel.namelist()}
    assert {re.sub(r"-.*\.dist-info$", ".dist-info", name) for name in top} == {
        "rotator",
        "apim_token_rotator.dist-info",
    }


def test_no_module_of_the_wheel_simulates_a_cloud(wheel: zipfile.ZipFile) -> None:
    modules = [name for name in wheel.namelist() if name.startswith("rotator/")]
    assert "rotator/daemon/main.py" in modules
    assert [name for name in modules if "sandbox" in name] == []
    assert [name for name in modules if SIMULATED.search(wheel.read(name).decode())] == []
