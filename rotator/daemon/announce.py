"""Tells `kubectl describe` what happened: Kubernetes Events on the Secret and on the workload."""

from __future__ import annotations

from typing import Literal

from rotator.core.explain import Explanation
from rotator.core.steps import Adopt, Issue, Rest, Restart, Step, Verify, Write
from rotator.core.words import Reason
from rotator.daemon.site import Unit
from rotator.kube import EventSink, Reference
from rotator.telemetry.report import Listener


def announcer(unit: Unit, events: EventSink) -> Listener:
    """Return a listener that turns steps done, and ends without proof, into Events."""

    def tell(_: str, why: Explanation, step: Step, when: Literal["decided", "done"]) -> None:
        if when == "done":
            emit(about(unit, step), "Normal", why)
        elif isinstance(step, Rest) and why.reason is Reason.UNSETTLED:
            for target in unit.settings.targets:
                emit(unit.fleet.reference(f"{target.namespace}/{target.secret}"), "Warning", why)

    def emit(reference: Reference | None, severity: Literal["Normal", "Warning"], why: Explanation) -> None:
        if reference:
            events.emit(reference, severity, str(why.reason), why.text)

    return tell


def about(unit: Unit, step: Step) -> Reference | None:
    """Return the object that step changed."""
    match step:
        case Restart(target, workload):
            return unit.fleet.reference(target.name, workload.name)
        case Adopt(target) | Issue(target) | Write(target) | Verify(target):
            return unit.fleet.reference(target.name)
        case _:
            return None
