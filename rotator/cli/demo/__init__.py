"""`rotator demo`: a real daemon process rotates three gateways of a sandbox, over real HTTP."""

from rotator.cli.demo.play import demo

__all__ = ["demo"]
