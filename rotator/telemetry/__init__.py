"""Tells people and machines what goes on: log lines, metrics, and the report of one run."""

from __future__ import annotations

from rotator.telemetry.logs import configure
from rotator.telemetry.metrics import Metrics
from rotator.telemetry.report import Listener, RunReport

__all__ = ["Listener", "Metrics", "RunReport", "configure"]
