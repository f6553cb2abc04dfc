"""Emits Kubernetes Events on the Secret and on the workload, for `kubectl describe`."""

from __future__ import annotations

from typing import Literal

from rotator.app.bootstrap import GatewayServices
from rotator.core.messages import Explanation
from rotator.core.records import Reason
from rotator.core.steps import Adopt, Issue, Replace, Rest, Restart, Revoke, RollBack, Step, Verify, Write
from rotator.kube import EventSink, Reference
from rotator.telemetry.reporter import Listener, When

WARNING_RESTS = frozenset({Reason.UNSETTLED, Reason.FIGHTING, Reason.ROLLED_BACK})
"""Reasons to rest that become an Event of type Warning."""


def event_listener(gateway: GatewayServices, events: EventSink) -> Listener:
    """Return a listener that emits an Event for each step done, and for each rest that needs attention."""

    def tell(_: str, why: Explanation, step: Step, when: When) -> None:
        if when == "done" and isinstance(step, Revoke):
            for target in gateway.settings.targets:
                emit(gateway.store.reference(target.place), "Normal", why)
        elif when == "done":
            emit(changed_object(gateway, step), "Warning" if isinstance(step, RollBack) else "Normal", why)
        elif when == "decided" and isinstance(step, Rest) and why.reason in WARNING_RESTS:
            for target in gateway.settings.targets:
                emit(gateway.store.reference(target.place), "Warning", why)

    def emit(reference: Reference | None, severity: Literal["Normal", "Warning"], why: Explanation) -> None:
        if reference:
            events.emit(reference, severity, str(why.reason), why.text)

    return tell


def changed_object(gateway: GatewayServices, step: Step) -> Reference | None:
    """Return the object that step changed."""
    match step:
        case Restart(target, workload):
            return gateway.store.reference(target.name, workload.name)
        case (
            Adopt(target)
            | Issue(target)
            | Write(target)
            | RollBack(target)
            | Verify(target)
            | Replace(target)
        ):
            return gateway.store.reference(target.name)
        case _:
            return None
