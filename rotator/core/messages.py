"""Each step as a CamelCase reason and a sentence, for log, metric, Kubernetes Event and CLI alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from rotator.core.blockers import blockers
from rotator.core.observation import Observation, Target
from rotator.core.records import Reason, Token
from rotator.core.renewal import earliest, pending
from rotator.core.rollout import overdue
from rotator.core.situation import Situation
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
from rotator.core.verification import resting, targets_to_verify
from rotator.durations import human_duration


@dataclass(frozen=True, slots=True)
class Explanation:
    reason: Reason
    text: str


def explain(step: Step, situation: Situation) -> Explanation:
    """Return why step is the next one. Never contains a token's value."""
    match step:
        case Issue():
            what = "it" if step.reason is Reason.REQUESTED else "a new one"
            why = f"{why_issue(step, situation)}. Issuing {what} with the {step.key} key"
            return Explanation(step.reason, why)
        case Await(names):
            return Explanation(Reason.ROLLING_OUT, progress(names, situation.observation))
        case Rest():
            return Explanation(step.reason, why_rest(situation))
        case RollBack():
            return Explanation(Reason.ROLLOUT_FAILED, why_roll_back(step, situation))
        case _:
            return explain_effect(step)


def overrides(step: Step, observation: Observation) -> str:
    """Return why step would wait if it were less urgent; empty: it overrides no window and no freeze."""
    closed = not observation.window.open
    return observation.window.why if closed and isinstance(step, Issue | Restart) else ""


def explain_effect(step: Adopt | Write | Restart | Replace | Verify | Revoke) -> Explanation:
    match step:
        case Adopt(target, decision):
            held = described(decision.token)
            why = Reason.ADOPTED, f"{target.name} holds {held}, which the rotator did not write. Adopting it"
        case Write(target, decision, True):
            token = described(decision.token)
            why = Reason.DRIFTED, f"another writer replaced the token in {target.name}. Restoring {token}"
        case Write(target, decision):
            why = Reason.LAGGING, f"{target.name} does not have {described(decision.token)} yet. Writing it"
        case Restart(target, workload, template_token):
            token = template_token or "the token it started with"
            pods = f"pods of {workload.name} ({target.name})"
            why = Reason.OUTDATED, f"{pods} do not run {token} yet. Restarting {workload.name}"
        case Replace(target, pod):
            doubt = "may run another writer's token" if pod.works else "does not work and blocks its workload"
            why = Reason.SUSPECT, f"{pod.name} ({target.name}) {doubt}. Evicting it"
        case Verify(target):
            why = Reason.PROVEN, f"every pod of {target.name} runs the token in its Secret"
        case Revoke(key):
            unused = f"No Secret or pod uses the {key} key"
            why = Reason.SUPERSEDED, f"{unused}. The rotator regenerates it now"
        case _:
            assert_never(step)
    return Explanation(*why)


def described(token: Token) -> str:
    return f"token {token.fingerprint} (until {stamp(token.expires_at)})"


def why_issue(step: Issue, situation: Situation) -> str:
    observation, now = situation.observation, situation.now
    if step.basis is None:
        return why_first(step.target, now)
    token = earliest(observation)
    match step.reason:
        case Reason.EXPIRED:
            return f"{described(token)} expired {human_duration(now - token.expires_at)} ago"
        case Reason.REVOKED:
            return f"{described(token)} is dead: its key was regenerated, or no target holds it any more"
        case Reason.NEARING_EXPIRY:
            limit = f"sooner than renew_before ({human_duration(situation.policy.renew_before)})"
            return f"{described(token)} expires in {human_duration(token.expires_at - now)}, {limit}"
        case Reason.REQUESTED:
            request = pending(observation)
            return f"{request.by if request and request.by else 'a request'} asked for a new token"
        case _:
            return f"another token of the key of {described(token)} leaked"


def why_first(target: Target, now: datetime) -> str:
    """Return why what a target holds could not be adopted."""
    if target.fingerprint is None or target.expires_at is None:
        return f"{target.name} holds no token"
    if target.expires_at <= now:
        return f"the token in {target.name} expired {human_duration(now - target.expires_at)} ago"
    return f"the token in {target.name} is dead: its key was regenerated"


def progress(names: tuple[str, ...], observation: Observation) -> str:
    waiting = [t for t in observation.targets if t.name in names]
    notes = [f"{w.name}: {w.note}" for t in waiting for w in t.workloads if w.note]
    young = "waiting for pods that started too close to a change of the Secret, or for their proof"
    return "; ".join(notes) or f"{', '.join(names)}: {young}"


def why_roll_back(step: RollBack, situation: Situation) -> str:
    """Return what failed, in every target where it did, and which token returns."""
    unverified = targets_to_verify(situation.observation)
    failed = [t for t in unverified if t is step.target or overdue(t, situation)]
    whys = "; ".join(f"{t.name}: {unproven(t)}" for t in failed)
    return f"the rollout failed ({whys}). Rolling back to {described(step.decision.token)}"


def why_rest(situation: Situation) -> str:
    """Return what is not settled or waits, or else which token everything runs."""
    observation = situation.observation
    sentences = [about(u.name, u.why) for u in observation.unreachable]
    known = {t.name: t.excluded_because or t.misconfiguration for t in observation.targets}
    sentences += [about(name, why) for name, why in known.items() if why]
    sentences += [
        f"{t.name}: {why}" for t in observation.targets if not known[t.name] and (why := unproven(t))
    ]
    sentences += blockers(situation)
    if sentences:
        return "; ".join(sentences)
    if not situation.current:
        return "no target could be observed"
    return f"everything runs {described(earliest(observation))}"


def about(name: str, why: str) -> str:
    """Return the sentence, with the name in front unless it contains the name."""
    return why if name in why else f"{name}: {why}"


def unproven(target: Target) -> str:
    """Return what keeps a target from being proven, in words; empty if nothing does."""
    if not target.record or target.drifted or resting(target):
        return ""
    unready = [w for w in target.workloads if not w.healthy or any(p.terminating for p in w.pods)]
    whys = [f"{w.name}: {w.note or 'not every pod works'}" for w in unready]
    return "; ".join(whys) or "not every pod is known to run the token in place"


def stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
