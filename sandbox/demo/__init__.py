"""`python -m sandbox demo`: a real daemon process rotates three gateways of a sandbox, over real HTTP."""

from sandbox.demo.scenario import demo

__all__ = ["demo"]
