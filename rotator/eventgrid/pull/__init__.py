"""Fetches events from an Event Grid namespace."""
