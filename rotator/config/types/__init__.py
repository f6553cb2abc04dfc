"""The kinds of value that the configuration file holds."""
