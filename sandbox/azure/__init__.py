"""Azure as rotator and gateways see it: ARM, a managed identity, the configuration endpoint, Event Grid."""

from __future__ import annotations

from sandbox.azure.account import Authentication, Azure
from sandbox.azure.keys import Gateway, Minted, fingerprint

__all__ = ["Authentication", "Azure", "Gateway", "Minted", "fingerprint"]
