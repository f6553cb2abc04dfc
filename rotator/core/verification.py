"""What may be concluded from what was seen: who runs which token, and how sure is that."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rotator.core.limits import leaves_leaked_token
from rotator.core.observation import Observation, Pod, Target, Workload
from rotator.core.policy import Policy
from rotator.core.records import Key, Record, Token
from rotator.core.renewal import usable

SLACK = timedelta(seconds=60)
"""Clocks of nodes differ from ours, time stamps have whole seconds, kubelets cache Secrets."""


def adoptable(t: Target, seen: Observation, now: datetime) -> Token | None:
    """Return the live token in place that is not ours, unless ours outlives it."""
    if t.fingerprint is None or t.expires_at is None or t.expires_at <= now:
        return None
    if t.record and not (t.drifted and t.expires_at > t.record.decision.token.expires_at):
        return None
    if t.fingerprint in seen.signers and seen.signers[t.fingerprint] is None:
        return None
    if t.record and t.fingerprint not in seen.signers:
        return None
    marked = any(w.template_token for w in t.workloads)
    key = seen.signers.get(t.fingerprint)
    issued = t.record.decision.token.issued_at if t.record else before_request(t, now)
    return Token(t.fingerprint, key, issued, t.expires_at, t.fingerprint if marked else None, True)


def before_request(t: Target, now: datetime) -> datetime:
    """A token is older than the complaint about it, even if it is adopted only afterwards."""
    return min(now, t.request.at - timedelta(seconds=1)) if t.request else now


def runs(pod: Pod, record: Record) -> bool:
    """Whether pod is known to have read the token of record."""
    if pod.pod_token != record.decision.token.template_token:
        return False
    if (since := record.restored_at) is None or pod.started_at >= since + SLACK:
        return True
    return pod.instance in record.verified_pods


def strangers_pods(t: Target, now: datetime) -> list[Pod]:
    """Pods of the right template that may have read another value than the current one. None before
    whatever replaces them is sure to be trusted, even if our clock is ahead of the nodes'.
    """
    if not t.record or not t.record.restored_at or now < t.record.restored_at + 2 * SLACK:
        return []
    expected = t.record.decision.token.template_token
    return [
        p
        for w in t.workloads
        for p in w.pods
        if p.pod_token == w.template_token == expected
        and not runs(p, t.record)
        and not p.leaving
        and (steady(w) or not p.works)
    ]


def steady(w: Workload) -> bool:
    """Whether it can do without one pod for a moment: all of them are there and work."""
    return w.complete and all(p.works and not p.leaving for p in w.pods)


def broken_pods(t: Target, now: datetime) -> list[Pod]:
    """Pods of another template that do not work and that their controller waits for, for ever perhaps.
    That template may be behind the record: a workload that is sick for this reason is not restarted.
    """
    return [
        p
        for w in t.workloads
        if t.record and w.ordered and w.restarted_at and now >= w.restarted_at + SLACK
        for p in w.pods
        if p.pod_token != w.template_token and not p.works and not p.leaving and now >= p.started_at + SLACK
    ]


def everything_runs(t: Target) -> bool:
    """Whether every pod of the target is known to run the token of its record, which we gave it."""
    r = t.record
    if not r or t.drifted or t.misconfiguration or r.decision.token.template_token is None:
        return False
    return all(
        w.template_token == r.decision.token.template_token and w.healthy and all(runs(p, r) for p in w.pods)
        for w in t.workloads
    )


def came_up(t: Target) -> bool:
    """Whether all pods run the token but those on their way out: they take as long as their grace period, or
    for ever on a node that is gone, and that says nothing against the token.
    """
    staying = tuple(replace(w, pods=tuple(p for p in w.pods if not p.leaving)) for w in t.workloads)
    return everything_runs(replace(t, workloads=staying))


def verified(t: Target) -> bool:
    """Whether the target was proven since its workloads were last restarted: one that lost its annotation, or
    joined later, is restarted after the proof.
    """
    r = t.record
    if not r or not r.verified or r.verified_at is None:
        return False
    return all(w.restarted_at is None or w.restarted_at <= r.verified_at for w in t.workloads)


def resting(t: Target) -> bool:
    """Whether nothing is left to prove: verified, or adopted and never touched. An adopted token that was
    put back or rolled back to is not proven by anything but pods that work, and that read nothing else.
    """
    r = t.record
    if r is None or t.drifted or t.misconfiguration or t.excluded_because:
        return False
    if r.decision.token.template_token is None:
        touched = r.decision.rolled_back or r.restored_at is not None
        return not touched or all(w.healthy and all(runs(p, r) for p in w.pods) for w in t.workloads)
    return verified(t)


def current_targets(seen: Observation) -> list[Target]:
    """Targets that hold what they should and whose pods remain to be proven."""
    return [
        t
        for t in seen.targets
        if t.record
        and not t.drifted
        and not verified(t)
        and t.record.decision.token.template_token is not None
        and all(w.template_token == t.record.decision.token.template_token for w in t.workloads)
        and not t.excluded_because
        and not (t.misconfiguration and all(w.healthy for w in t.workloads))
    ]


def restored_targets(seen: Observation) -> list[Target]:
    """Targets whose adopted token was put back, and whose pods remain to be known to run it."""
    return [
        t
        for t in seen.workable
        if t.record
        and t.record.decision.token.template_token is None
        and not (t.drifted or t.misconfiguration or resting(t) or any(w.template_token for w in t.workloads))
    ]


def rolling(t: Target) -> bool:
    """Whether the target's workloads are between two tokens."""
    return bool(t.record) and bool(current_targets(Observation((replace(t, excluded_because=""),))))


def overtime(t: Target, policy: Policy, now: datetime) -> bool:
    """Whether the target's pods had their chance: nobody waits for them any longer."""
    since = [w.restarted_at for w in t.workloads] + [t.record.restored_at if t.record else None]
    begun = max((at for at in since if at), default=now)
    return any(w.failed for w in t.workloads) or now >= begun + policy.rollout_timeout


def moving(w: Workload, policy: Policy, now: datetime) -> bool:
    """Whether a workload is not healthy only because we restarted it a short while ago."""
    return w.restarted_at is not None and not w.failed and now < w.restarted_at + policy.rollout_timeout


def under_way(seen: Observation, policy: Policy, now: datetime) -> bool:
    """Whether some target's pods are on their way to the token in force, in time, or are yet to be noted."""
    return any(everything_runs(t) or not overtime(t, policy, now) for t in current_targets(seen))


def overdue(t: Target, policy: Policy, now: datetime) -> bool:
    """Whether a token that was never proven here failed. One that was proven is not to blame."""
    return bool(t.record and not t.record.verified_at and overtime(t, policy, now))


def waits(t: Target, seen: Observation, policy: Policy, now: datetime) -> bool:
    """Whether restarts wait: for a window, or for workloads that are sick anyway. A target
    whose pods have nothing good to go on with never waits (nor one just rolled back).
    """
    previous = t.record.previous if t.record else None
    if not t.record or previous is None or not usable(previous.token, seen, policy, now):
        return False
    stale = [w for w in t.workloads if w.template_token != t.record.decision.token.template_token]
    sick = any(not w.healthy and not moving(w, policy, now) for w in stale)
    # A leaked token is nothing good to go on with: no window holds up the pods' leaving it.
    return sick or not (seen.window.open or leaves_leaked_token(t, seen))


@dataclass(frozen=True, slots=True)
class SignerQuery:
    """A token about which the issuer should be asked who signs it. hint: whom to try first."""

    fingerprint: str
    expires_at: datetime
    hint: Key | None


def signer_queries(seen: Observation, now: datetime) -> list[SignerQuery]:
    """Return every token that a decision may rest on and that the issuer can still be asked about. What
    stands on record says nothing of a token that somebody else put in place: its key may have ended since.
    """
    found: dict[str, SignerQuery] = {}
    for t in seen.targets:
        if t.record:
            known = [t.record.decision.token] + ([t.record.previous.token] if t.record.previous else [])
            found |= {k.fingerprint: SignerQuery(k.fingerprint, k.expires_at, k.key) for k in known}
    for t in seen.targets:
        if t.fingerprint and t.expires_at and (t.record is None or t.drifted):
            found[t.fingerprint] = SignerQuery(t.fingerprint, t.expires_at, None)
    return [d for d in found.values() if d.expires_at > now]


def key_is_unused(seen: Observation, key: Key) -> bool:
    """Whether nobody anywhere can hold a token of key, so that it may be regenerated."""
    current = seen.current
    return bool(
        current is not None
        and not seen.unreachable
        and seen.signers.get(current.token.fingerprint) is key.other
        and all(
            t.fingerprint == current.token.fingerprint
            and not t.excluded_because
            and t.record is not None
            and t.record.verified
            and t.record.decision.order == current.order
            and everything_runs(t)
            for t in seen.targets
        )
    )
