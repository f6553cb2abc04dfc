"""`python -m sandbox` and `python -m sandbox demo`."""

from __future__ import annotations

import sys

from sandbox import cli, demo

if __name__ == "__main__":
    if sys.argv[1:2] == ["demo"]:
        sys.exit(demo.main(sys.argv[2:]))
    cli.main()
