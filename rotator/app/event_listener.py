"""Tells `kubectl describe` what happened: Kubernetes Events on the Secret and on the workload."""

from __future__ import annotations

from typing import Literal

from rotator.app.bootstrap import GatewayServices
from rotator.core.messages import Explanation
from rotator.core.records import Reason
from rotator.core.steps import Adopt, Issue, Replace, Rest, Restart, Revoke, RollBack, Step, Verify, Write
from rotator.kube import EventSink, Reference
from rotator.telemetry.report import Listener, When

TROUBLE = frozenset({Reason.UNSETTLED, Reason.FIGHTING, Reason.ROLLED_BACK})
"""Rests that somebody should know of."""


def event_listener(unit: GatewayServices, events: EventSink) -> Listener:
    """Return a listener that turns steps done, and ends without proof, into Events."""

    def tell(_: str, why: Explanation, step: Step, when: When) -> None:
        if when == "done" and isinstance(step, Revoke):
            for target in unit.settings.targets:
                emit(unit.fleet.reference(target.place), "Normal", why)
        elif when == "done":
            emit(about(unit, step), "Warning" if isinstance(step, RollBack) else "Normal", why)
        elif when == "decided" and isinstance(step, Rest) and why.reason in TROUBLE:
            for target in unit.settings.targets:
                emit(unit.fleet.reference(target.place), "Warning", why)

    def emit(reference: Reference | None, severity: Literal["Normal", "Warning"], why: Explanation) -> None:
        if reference:
            events.emit(reference, severity, str(why.reason), why.text)

    return tell


def about(unit: GatewayServices, step: Step) -> Reference | None:
    """Return the object that step changed."""
    match step:
        case Restart(target, workload):
            return unit.fleet.reference(target.name, workload.name)
        case (
            Adopt(target)
            | Issue(target)
            | Write(target)
            | RollBack(target)
            | Verify(target)
            | Replace(target)
        ):
            return unit.fleet.reference(target.name)
        case _:
            return None
