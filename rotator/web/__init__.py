"""HTTP servers, what bounds their clients, and the port for machines inside the cluster."""

from __future__ import annotations

from rotator.web.internal import Health, internal_app
from rotator.web.limits import BodyLimit
from rotator.web.server import Server, bind

__all__ = ["BodyLimit", "Health", "Server", "bind", "internal_app"]
