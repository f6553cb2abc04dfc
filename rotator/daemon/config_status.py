"""Reports whether the configuration on disk is in force: by log, metric, /readyz and an Event on the Pod."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from rotator.app.clock import utc_now
from rotator.daemon.health import HealthChecks
from rotator.kube import EventSink, Reference
from rotator.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

CONFIG = "config"
REASON = "ConfigRefused"
"""Reason of the Event on the rotator's own Pod."""


class ConfigStatus:
    """events: the Event sink of the generation in force; None before the first."""

    def __init__(self, metrics: Metrics, checks: HealthChecks, environ: Mapping[str, str]) -> None:
        self._metrics = metrics
        self._checks = checks
        self._pod = own_pod(environ)
        self.events: EventSink | None = None

    def refused(self, errors: tuple[str, ...]) -> None:
        log.error(
            "the configuration on disk cannot be used: the previous one stays in force",
            extra={"mistakes": list(errors)},
        )
        sentence = (
            f"the configuration on disk cannot be used, the previous one is in force: {'; '.join(errors)}"
        )
        self._metrics.config_refused()
        self._checks.warn(CONFIG, sentence)
        if self._pod and self.events:
            self.events.emit(self._pod, "Warning", REASON, sentence)

    def accepted(self) -> None:
        self._metrics.config_loaded(utc_now())
        self._checks.warn(CONFIG, "")


def own_pod(environ: Mapping[str, str]) -> Reference | None:
    """Return the Pod of this process, as named by the downward API. Without POD_UID only
    `kubectl events --for pod/…` shows its Events; `kubectl describe pod` does not.
    """
    name, namespace = environ.get("POD_NAME"), environ.get("POD_NAMESPACE")
    if not name or not namespace:
        return None
    return Reference("Pod", "v1", namespace, name, environ.get("POD_UID", ""))
