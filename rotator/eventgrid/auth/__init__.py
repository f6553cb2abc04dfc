"""Decides who may deliver events."""
