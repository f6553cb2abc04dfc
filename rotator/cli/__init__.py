"""The command `rotator`."""
