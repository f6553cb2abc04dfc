"""Tells that the configuration on disk cannot be used: log, metric, /readyz, an Event on our own Pod."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from rotator.app.clock import utc_now
from rotator.daemon.health import Readiness
from rotator.kube import EventSink, Reference
from rotator.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

CONFIG = "config"
REASON = "ConfigRefused"


class Verdict:
    """events: where the generation in force sends its Events; None before the first."""

    def __init__(self, metrics: Metrics, readiness: Readiness, environ: Mapping[str, str]) -> None:
        self._metrics = metrics
        self._readiness = readiness
        self._pod = own_pod(environ)
        self.events: EventSink | None = None

    def refused(self, mistakes: tuple[str, ...]) -> None:
        log.error(
            "the configuration on disk cannot be used: the one before stays in force",
            extra={"mistakes": list(mistakes)},
        )
        sentence = (
            f"the configuration on disk cannot be used, the one before is in force: {'; '.join(mistakes)}"
        )
        self._metrics.config_refused()
        self._readiness.warn(CONFIG, sentence)
        if self._pod and self.events:
            self.events.emit(self._pod, "Warning", REASON, sentence)

    def accepted(self) -> None:
        self._metrics.config_loaded(utc_now())
        self._readiness.warn(CONFIG, "")


def own_pod(environ: Mapping[str, str]) -> Reference | None:
    """Return the Pod that this process runs in, as the downward API tells it. Without POD_UID
    `kubectl describe pod` does not show its Events, `kubectl events --for pod/…` does.
    """
    name, namespace = environ.get("POD_NAME"), environ.get("POD_NAMESPACE")
    if not name or not namespace:
        return None
    return Reference("Pod", "v1", namespace, name, environ.get("POD_UID", ""))
