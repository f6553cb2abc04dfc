"""`python -m rotator` is `rotator`."""

from rotator.cli.app import main

if __name__ == "__main__":
    main()
