"""The simulated Azure: ARM, a managed identity, the configuration endpoint, Event Grid, Entra ID."""

from __future__ import annotations

from sandbox.azure.account import Authentication, Azure
from sandbox.azure.keys import Gateway, Minted, fingerprint

__all__ = ["Authentication", "Azure", "Gateway", "Minted", "fingerprint"]
