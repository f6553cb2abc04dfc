"""HTTP servers, the limits of their clients, and the port for probes and metrics inside the cluster."""

from __future__ import annotations

from rotator.web.deadline import Deadline
from rotator.web.internal import Health, internal_app
from rotator.web.limits import BodyBudget, BodyLimit
from rotator.web.server import Server, bind

__all__ = ["BodyBudget", "BodyLimit", "Deadline", "Health", "Server", "bind", "internal_app"]
