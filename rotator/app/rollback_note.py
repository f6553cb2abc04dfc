"""Describes a failed rollout: how often it failed, when the rotator tries again, where to read why."""

from __future__ import annotations

from datetime import datetime

from rotator.core.messages import stamp
from rotator.core.observation import Observation, Target


def rollback_note(observation: Observation, said: str) -> str:
    """Return it as a sentence, as far as `said` does not tell it; empty if no roll-back is in force."""
    current = observation.current
    if current is None or current.retry_at is None:
        return ""
    sentences = []
    if "was rolled back" not in said:
        times = "once" if current.failures == 1 else f"{current.failures} times"
        again = f"no new token is tried before {stamp(current.retry_at)}, unless it is urgent"
        sentences.append(f"the rollout failed {times} and the previous token is back; {again}")
    if first := first_restored(observation):
        sentences.append(f"the Event RolloutFailed says what failed: {events_of(first.name)}")
    return "; ".join(sentences)


def first_restored(observation: Observation) -> Target | None:
    """Return the target whose rollout failed: the others followed it."""
    since: list[tuple[datetime, Target]] = [
        (r.restored_at, t)
        for t in observation.targets
        if (r := t.record) and r.restored_at and r.decision.rolled_back
    ]
    return min(since, key=lambda found: found[0])[1] if since else None


def events_of(place: str) -> str:
    """Return the command that shows the Events of a target: `namespace/secret`, perhaps behind `context:`."""
    context, _, where = place.rpartition(":")
    namespace, _, secret = where.partition("/")
    cluster = f"--context {context} " if context else ""
    return f"kubectl {cluster}-n {namespace} events --for secret/{secret}"
