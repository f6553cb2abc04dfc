"""Brings a gateway to rest: look, decide, act; repeat. Knows no library, only ports."""

from rotator.rotation.context import Gateway, Ports
from rotator.rotation.loop import observe, rotate
from rotator.rotation.outcome import Outcome
from rotator.rotation.request import Noted, request
from rotator.rotation.signer_cache import SignerCache

__all__ = ["Gateway", "Noted", "Outcome", "Ports", "SignerCache", "observe", "request", "rotate"]
