"""What is known of a gateway, as plain data: for `rotator status -o json` and /api/v1/gateways."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rotator.core.due import earliest, pending, renewal_time
from rotator.core.explain import explain
from rotator.core.foresight import after_adopting
from rotator.core.plan import next_step
from rotator.core.policy import Policy
from rotator.core.seen import Observed, Target, Workload
from rotator.core.steps import Adopt, Rest, Step

Json = dict[str, Any]


def status_of(name: str, seen: Observed, policy: Policy, now: datetime) -> Json:
    """Return the gateway's state; times are ISO 8601 UTC, tokens appear by fingerprint only."""
    step = next_step(seen, policy, now)
    why = explain(step, seen, policy, now)
    request = pending(seen)
    return {
        "name": name,
        "state": str(why.reason) if isinstance(step, Rest) else "InProgress",
        "next_step": type(step).__name__,
        "reason": str(why.reason),
        "message": why.text + then(step, seen, policy, now),
        "token": token_of(seen),
        "renewal_at": iso(renewal_time(seen, policy)) if seen.current else None,
        "next_look_at": iso(step.until) if isinstance(step, Rest) else None,
        "requested_at": iso(request.at) if request else None,
        "requested_by": request.by if request else None,
        "condemned": sorted(seen.condemned),
        "retry_at": iso(seen.current.retry_at) if seen.current else None,
        "held_by": seen.hours.why,
        "targets": [target_of(t) for t in seen.targets],
        "unreachable": [{"name": a.name, "message": a.why} for a in seen.unreachable],
    }


def then(step: Step, seen: Observed, policy: Policy, now: datetime) -> str:
    """Return what follows an adoption, if that is not to rest."""
    if not isinstance(step, Adopt):
        return ""
    follows, adopted = after_adopting(seen, policy, now)
    if isinstance(follows, Rest | Adopt):
        return ""
    why = explain(follows, adopted, policy, now)
    return f"; then {type(follows).__name__} ({why.reason}): {why.text}"


def token_of(seen: Observed) -> Json | None:
    if not seen.current:
        return None
    token = earliest(seen)
    return {
        "fingerprint": token.fingerprint,
        "key": seen.key(token),
        "issued_at": None if token.adopted else iso(token.issued_at),
        "expires_at": iso(token.expires_at),
        "adopted": token.adopted,
    }


def target_of(t: Target) -> Json:
    return {
        "name": t.name,
        "fingerprint": t.fingerprint,
        "expires_at": iso(t.expires_at),
        "verified_at": iso(t.record.verified_at) if t.record else None,
        "drifted": t.drifted,
        "message": t.flaw,
        "workloads": [workload_of(w, t) for w in t.workloads],
    }


def workload_of(w: Workload, t: Target) -> Json:
    mark = t.record.decision.token.mark if t.record else None
    return {
        "name": w.name,
        "pods": len(w.pods),
        "working": sum(p.works for p in w.pods),
        "current": sum(p.mark == mark for p in w.pods),
        "message": w.note,
    }


def iso(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z") if at else None
