"""The state of a gateway as plain data, for `rotator status -o json` and /api/v1/gateways."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rotator.app.rollback_note import rollback_note
from rotator.core.messages import explain
from rotator.core.observation import Observation, Target, Workload
from rotator.core.plan import after_adopting, next_step
from rotator.core.policy import Policy
from rotator.core.renewal import cause, earliest, pending, renewal_time
from rotator.core.situation import Situation
from rotator.core.steps import Adopt, Rest, Step
from rotator.core.verification import runs

Json = dict[str, Any]


def status_of(name: str, observation: Observation, policy: Policy, now: datetime) -> Json:
    """Return the gateway's state; times are ISO 8601 UTC, tokens appear by fingerprint only.

    Before adoption, token and renewal_at are what they will be once the tokens in place are taken over.
    due: why a new token is wanted now, even if it waits.
    """
    situation = Situation(observation, policy, now)
    step = next_step(situation)
    why = explain(step, situation)
    follows, then_situation = after_adopting(situation)
    view = then_situation.observation
    wanted = cause(then_situation) if view.targets else None
    request = pending(observation)
    sentences = [why.text, then(step, follows, then_situation), rollback_note(observation, why.text)]
    return {
        "name": name,
        "state": str(why.reason) if isinstance(step, Rest) else "InProgress",
        "next_step": type(step).__name__,
        "reason": str(why.reason),
        "message": "; ".join(s for s in sentences if s),
        "token": token_of(view),
        "due": str(wanted) if wanted else None,
        "renewal_at": iso(renewal_time(view, policy)) if view.current else None,
        "next_look_at": iso(step.until) if isinstance(step, Rest) else None,
        "requested_at": iso(request.at) if request else None,
        "requested_by": request.by if request else None,
        "condemned": sorted(observation.condemned),
        "failures": observation.current.failures
        if observation.current and observation.current.rolled_back
        else 0,
        "retry_at": iso(observation.current.retry_at) if observation.current else None,
        "held_by": observation.window.why,
        "targets": [target_of(t, observation) for t in observation.targets],
        "unreachable": [{"name": a.name, "message": a.why} for a in observation.unreachable],
    }


def then(step: Step, follows: Step, adopted: Situation) -> str:
    """Return what follows an adoption, if that is not to rest."""
    if not isinstance(step, Adopt) or isinstance(follows, Rest | Adopt):
        return ""
    why = explain(follows, adopted)
    return f"then {type(follows).__name__} ({why.reason}): {why.text}"


def token_of(observation: Observation) -> Json | None:
    if not observation.current:
        return None
    token = earliest(observation)
    return {
        "fingerprint": token.fingerprint,
        "key": observation.key(token),
        "issued_at": None if token.adopted else iso(token.issued_at),
        "expires_at": iso(token.expires_at),
        "adopted": token.adopted,
    }


def target_of(t: Target, observation: Observation) -> Json:
    """Return what the Secret holds, and what its pods run.

    key: null if not known. dead: its key was regenerated. assumed: the token was found in place, and its
    pods are assumed to run it; a rotation proves it.
    """
    token = None if t.drifted else t.token
    asked = t.fingerprint is not None and t.fingerprint in observation.signers
    signer = observation.signers.get(t.fingerprint or "")
    return {
        "name": t.name,
        "fingerprint": t.fingerprint,
        "key": signer or (token.key if token and not asked else None),
        "dead": asked and signer is None,
        "expires_at": iso(t.expires_at),
        "verified_at": iso(t.verified_at),
        "drifted": t.drifted,
        "assumed": token is not None and token.template_token is None,
        "message": t.misconfiguration,
        "workloads": [workload_of(w, t) for w in t.workloads],
    }


def workload_of(w: Workload, t: Target) -> Json:
    """running: how many pods work and are known to have started with the token that is in the Secret now;
    null: not known, because another writer put the token there.
    """
    known = t.record if not t.drifted else None
    return {
        "name": w.name,
        "pods": len(w.pods),
        "working": sum(p.works for p in w.pods),
        "running": sum(p.works and runs(p, known) for p in w.pods) if known else None,
        "message": w.note,
    }


def iso(at: datetime | None) -> str | None:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z") if at else None
