"""The composition root: builds every room from the settings and lets them work together."""
