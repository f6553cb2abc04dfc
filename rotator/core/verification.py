"""Which pods are known to run which token, and what follows: is a target verified, is a key unused."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from rotator.core.observation import Observation, Pod, Target, Workload
from rotator.core.records import Key, Record

CLOCK_TOLERANCE = timedelta(seconds=60)
"""How close to a change of the Secret a pod's start tells nothing: clocks of nodes differ, time stamps have
whole seconds, kubelets cache Secrets."""


def key_is_unused(observation: Observation, key: Key) -> bool:
    """Whether no Secret and no pod can hold a token of key, so that it may be regenerated."""
    current = observation.current
    return bool(
        current is not None
        and not observation.unreachable
        and observation.signers.get(current.token.fingerprint) is key.other
        and all(
            t.fingerprint == current.token.fingerprint
            and not t.excluded_because
            and t.record is not None
            and t.record.verified
            and t.record.decision.order == current.order
            and everything_runs(t)
            for t in observation.targets
        )
    )


def everything_runs(target: Target) -> bool:
    """Whether every pod of the target is known to run the token that the rotator gave it."""
    record, token = target.record, target.token
    if not record or not token or target.drifted or target.misconfiguration or target.adopted:
        return False
    return all(
        w.template_token == token.template_token and w.healthy and all(runs(p, record) for p in w.pods)
        for w in target.workloads
    )


def runs(pod: Pod, record: Record) -> bool:
    """Whether pod is known to have read the token of record."""
    if pod.pod_token != record.decision.token.template_token:
        return False
    if (since := record.restored_at) is None or pod.started_at >= since + CLOCK_TOLERANCE:
        return True
    return pod.instance in record.verified_pods


def came_up(target: Target) -> bool:
    """Whether all pods run the token, apart from pods that are being terminated: they may take their whole
    grace period, or stay for ever on a node that is gone, and prove nothing against the token.
    """
    staying = tuple(replace(w, pods=tuple(p for p in w.pods if not p.terminating)) for w in target.workloads)
    return everything_runs(replace(target, workloads=staying))


def verified(target: Target) -> bool:
    """Whether the target was verified since its workloads were last restarted. A workload that lost its
    template token, or that was added later, is restarted after the proof.
    """
    if not target.record or not target.record.verified or target.verified_at is None:
        return False
    return all(w.restarted_at is None or w.restarted_at <= target.verified_at for w in target.workloads)


def resting(target: Target) -> bool:
    """Whether nothing is left to verify: the target is verified, or its token is adopted and unchanged.

    An adopted token that was restored, or rolled back to, is proven only by pods that work and that
    read nothing else.
    """
    record = target.record
    if record is None or target.drifted or target.misconfiguration or target.excluded_because:
        return False
    if target.adopted:
        touched = record.decision.rolled_back or record.restored_at is not None
        return not touched or all(
            w.healthy and all(runs(p, record) for p in w.pods) for w in target.workloads
        )
    return verified(target)


def targets_to_verify(observation: Observation) -> list[Target]:
    """Return the targets that hold their token, and whose pods are not yet noted as running it."""
    return [
        t
        for t in observation.targets
        if t.record
        and not t.drifted
        and not verified(t)
        and not t.adopted
        and not t.stale_workloads
        and not t.excluded_because
        and not (t.misconfiguration and t.healthy)
    ]


def restored_targets(observation: Observation) -> list[Target]:
    """Return the targets whose adopted token was restored, and whose pods are not yet known to run it."""
    return [
        t
        for t in observation.workable
        if t.adopted and not t.stale_workloads and not (t.drifted or t.misconfiguration or resting(t))
    ]


def suspect_pods(target: Target, now: datetime) -> list[Pod]:
    """Return the pods of the current template that may have read another token than the current one. None
    before their replacements are sure to be trusted, even if this clock is ahead of the nodes'.
    """
    record = target.record
    if not record or not record.restored_at or now < record.restored_at + 2 * CLOCK_TOLERANCE:
        return []
    expected = record.decision.token.template_token
    return [
        p
        for w in target.workloads
        for p in w.pods
        if p.pod_token == w.template_token == expected
        and not runs(p, record)
        and not p.terminating
        and (can_spare_a_pod(w) or not p.works)
    ]


def can_spare_a_pod(workload: Workload) -> bool:
    """Whether all of the workload's pods are there and work."""
    return workload.complete and all(p.works and not p.terminating for p in workload.pods)


def blocking_pods(target: Target, now: datetime) -> list[Pod]:
    """Return the pods of an older template that do not work and that their controller waits for.

    The template itself may be older than the record, for an unhealthy workload is not restarted.
    """
    return [
        p
        for w in target.workloads
        if target.record and w.ordered and w.restarted_at and now >= w.restarted_at + CLOCK_TOLERANCE
        for p in w.pods
        if p.pod_token != w.template_token
        and not p.works
        and not p.terminating
        and now >= p.started_at + CLOCK_TOLERANCE
    ]
