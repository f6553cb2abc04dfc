"""Pulls events from an Event Grid namespace."""
