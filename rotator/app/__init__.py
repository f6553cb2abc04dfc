"""What the daemon and the command line share: the composition root, the clock, the status."""
