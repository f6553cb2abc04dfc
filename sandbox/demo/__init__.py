"""`python -m sandbox demo`: a real daemon process rotates three gateways of a sandbox, over real HTTP."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from sandbox.demo.scenario import demo


def main(arguments: Sequence[str]) -> int:
    """Run the demo and return its exit code: 0 if everything that it promises was shown."""
    parser = argparse.ArgumentParser(
        prog="python -m sandbox demo",
        description="Rotate three gateways in a sandbox: no cloud, no cluster.",
    )
    parser.add_argument("--keep", action="store_true", help="leave it running, with commands to play with")
    return demo(keep=parser.parse_args(arguments).keep)
