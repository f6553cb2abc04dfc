"""`rotator run`: serves with one configuration, and with the next one when its files change."""
