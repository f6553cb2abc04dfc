"""`rotator demo`: starts the demo of the sandbox, which is not installed with the product."""

from __future__ import annotations

import importlib.util
import os
import sys

from rotator.cli.exits import UsageError


def demo(*, keep: bool) -> int:
    """Run `python -m sandbox demo` in the place of this process.

    Raises:
        UsageError: the sandbox is not installed here.
    """
    if importlib.util.find_spec("sandbox") is None:
        raise UsageError(
            "the sandbox is not installed here: clone the repository of the rotator and run `make demo` there"
        )
    os.execv(sys.executable, [sys.executable, "-m", "sandbox", "demo", *(["--keep"] if keep else [])])  # noqa: S606
