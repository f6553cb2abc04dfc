"""Each step as a CamelCase reason and a sentence, for log, metric, Kubernetes Event and CLI alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from rotator.core.blockers import held
from rotator.core.observation import Observation, Target
from rotator.core.policy import Policy
from rotator.core.records import Reason, Token
from rotator.core.renewal import earliest, pending
from rotator.core.steps import (
    Adopt,
    Await,
    Issue,
    Replace,
    Rest,
    Restart,
    Revoke,
    RollBack,
    Step,
    Verify,
    Write,
)
from rotator.core.verification import current_targets, overdue, resting
from rotator.durations import human_duration


@dataclass(frozen=True, slots=True)
class Explanation:
    reason: Reason
    text: str


def explain(step: Step, seen: Observation, policy: Policy, now: datetime) -> Explanation:
    """Return why step is the next one. Never contains a token's value."""
    match step:
        case Issue():
            why = why_issue(step, seen, policy, now)
            return Explanation(step.reason, f"{why}: issue one on the {step.key} key")
        case Await(names):
            return Explanation(Reason.ROLLING_OUT, progress(names, seen))
        case Rest():
            return Explanation(step.reason, why_rest(seen, policy, now))
        case RollBack():
            return Explanation(Reason.ROLLOUT_FAILED, why_roll_back(step, seen, policy, now))
        case _:
            return explain_effect(step)


def overrides(step: Step, seen: Observation) -> str:
    """Return what this step does not wait for although somebody wished it; empty: it overrides nothing."""
    return seen.window.why if isinstance(step, Issue | Restart) and not seen.window.open else ""


def explain_effect(
    step: Adopt | Write | Restart | Replace | Verify | Revoke,
) -> Explanation:
    match step:
        case Adopt(target, decision):
            token = told(decision.token)
            why = Reason.ADOPTED, f"{target.name} holds {token}, which is not ours: taken over as it is"
        case Write(target, decision, True):
            token = told(decision.token)
            why = Reason.DRIFTED, f"somebody replaced the token in {target.name}: put {token} back"
        case Write(target, decision):
            why = Reason.LAGGING, f"{target.name} does not have {told(decision.token)} yet"
        case Restart(target, workload, template_token):
            token = template_token or "the token it started with"
            why = Reason.OUTDATED, f"pods of {workload.name} ({target.name}) do not run {token} yet"
        case Replace(target, pod):
            doubt = "may run a stranger's token" if pod.works else "does not work and blocks its workload"
            why = Reason.SUSPECT, f"{pod.name} ({target.name}) {doubt}: replace it"
        case Verify(target):
            why = Reason.PROVEN, f"every pod of {target.name} runs the token in its Secret"
        case Revoke(key):
            why = Reason.SUPERSEDED, f"nothing holds a token of the {key} key any more: regenerate it"
        case _:
            assert_never(step)
    return Explanation(*why)


def told(token: Token) -> str:
    return f"token {token.fingerprint} (until {stamp(token.expires_at)})"


def why_issue(step: Issue, seen: Observation, policy: Policy, now: datetime) -> str:
    if step.basis is None:
        return why_first(step.target, now)
    token = earliest(seen)
    match step.reason:
        case Reason.EXPIRED:
            return f"{told(token)} expired {human_duration(now - token.expires_at)} ago"
        case Reason.REVOKED:
            return f"{told(token)} is dead: its key was regenerated, or nobody has it any more"
        case Reason.NEARING_EXPIRY:
            left, before = human_duration(token.expires_at - now), human_duration(policy.renew_before)
            return f"{told(token)} expires in {left}, sooner than renew_before ({before})"
        case Reason.REQUESTED:
            request = pending(seen)
            by = f" by {request.by}" if request and request.by else ""
            return f"{told(token)} was asked to be replaced{by}"
        case _:
            return f"the key of {told(token)} is condemned"


def why_first(t: Target, now: datetime) -> str:
    """Return why what a target holds could not be taken over."""
    if t.fingerprint is None or t.expires_at is None:
        return f"{t.name} holds no token"
    if t.expires_at <= now:
        return f"the token in {t.name} expired {human_duration(now - t.expires_at)} ago"
    return f"the token in {t.name} is dead: its key was regenerated"


def progress(names: tuple[str, ...], seen: Observation) -> str:
    notes = [f"{w.name}: {w.note}" for t in seen.targets if t.name in names for w in t.workloads if w.note]
    young = "pods started too close to a change of the Secret to be sure of them"
    return "; ".join(notes) or f"{', '.join(names)}: {young}, or are just being proven"


def why_roll_back(step: RollBack, seen: Observation, policy: Policy, now: datetime) -> str:
    """Return what failed, in every target where it did, and what comes back."""
    failed = [t for t in current_targets(seen) if t is step.target or overdue(t, policy, now)]
    whys = "; ".join(f"{t.name}: {unproven(t)}" for t in failed)
    return f"the rollout failed ({whys}): back to {told(step.decision.token)}"


def why_rest(seen: Observation, policy: Policy, now: datetime) -> str:
    """Return what is left unsettled or put off, or what everything rests on."""
    open_ends = [about(a.name, a.why) for a in seen.unreachable]
    open_ends += [
        about(t.name, t.excluded_because or t.misconfiguration)
        for t in seen.targets
        if t.excluded_because or t.misconfiguration
    ]
    known = {t.name for t in seen.targets if t.excluded_because or t.misconfiguration}
    open_ends += [f"{t.name}: {why}" for t in seen.targets if t.name not in known and (why := unproven(t))]
    open_ends += held(seen, policy, now)
    if open_ends:
        return "; ".join(open_ends)
    return f"everything runs {told(earliest(seen))}" if seen.current else "no target can be looked at"


def about(name: str, why: str) -> str:
    """Return a sentence that says once what it is about."""
    return why if name in why else f"{name}: {why}"


def unproven(t: Target) -> str:
    """Return what keeps a target from being proven, in words; empty if nothing does."""
    if not t.record or t.drifted or resting(t):
        return ""
    unready = [w for w in t.workloads if not w.healthy or any(p.leaving for p in w.pods)]
    sick = [f"{w.name}: {w.note or 'not every pod works'}" for w in unready]
    return "; ".join(sick) or "not every pod is known to run the token in place"


def stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
