"""`python -m rotator.sandbox`."""

from __future__ import annotations

from rotator.sandbox.byhand import main

if __name__ == "__main__":
    main()
