"""`rotator demo`: hands over to the sandbox beside this package, where there is one."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

import rotator
from rotator.cli.exits import UsageError


def demo(*, keep: bool, clone: Path = Path(rotator.__file__).parents[1]) -> NoReturn:
    """Become `python -m sandbox demo`. Raises UsageError where there is no sandbox.

    The sandbox is found as a folder, not as an import: the product does not know it.
    """
    if not (clone / "sandbox" / "__main__.py").is_file():
        raise UsageError(
            "the demo needs the sandbox, which comes with the source of rotator and not with its package: "
            "clone the project and run `make demo`"
        )
    command = [sys.executable, "-m", "sandbox", "demo", *(["--keep"] if keep else [])]
    os.execv(sys.executable, command)  # noqa: S606 - no word comes from outside
