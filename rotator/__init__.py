"""Rotates the access tokens of Azure API Management self-hosted gateways."""

__version__ = "0.1.0"
