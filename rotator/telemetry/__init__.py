"""Log lines, metrics, and the report of one run."""

from __future__ import annotations

from rotator.telemetry.logs import configure
from rotator.telemetry.metrics import Metrics
from rotator.telemetry.report import RunReport
from rotator.telemetry.reporter import Listener, StepReporter

__all__ = ["Listener", "Metrics", "RunReport", "StepReporter", "configure"]
