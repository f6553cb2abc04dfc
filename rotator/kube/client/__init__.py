"""Connections to clusters: credentials, requests, responses."""
