"""What can be done: the steps of a rotation, each one effect."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rotator.core.observation import Pod, Target, Workload
from rotator.core.records import Decision, Key, Reason


@dataclass(frozen=True, slots=True)
class Adopt:
    """Write a record of a live token that the rotator did not write."""

    target: Target
    decision: Decision


@dataclass(frozen=True, slots=True)
class Issue:
    """Issue a token and write it to the first target; the others lag and get it by Write."""

    target: Target
    key: Key
    fresh: bool
    """Regenerate the key first: no Secret and no pod holds a token of it."""
    basis: Decision | None
    condemned: frozenset[Key]
    reason: Reason
    requested_at: datetime | None


@dataclass(frozen=True, slots=True)
class Write:
    """Write the decision's token; a restore keeps the record, and is counted."""

    target: Target
    decision: Decision
    restore: bool = False


@dataclass(frozen=True, slots=True)
class Restart:
    """Roll a workload over by writing the token's fingerprint to its pod template."""

    target: Target
    workload: Workload
    template_token: str | None


@dataclass(frozen=True, slots=True)
class Replace:
    """Evict a pod that may have started with another writer's token, or that blocks its rollout."""

    target: Target
    pod: Pod


@dataclass(frozen=True, slots=True)
class RollBack:
    """Return to the last proven token where a new one failed."""

    target: Target
    decision: Decision


@dataclass(frozen=True, slots=True)
class Await:
    """Let rollouts go on; look again when something changes."""

    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verify:
    """Note on the Secret that every pod of the target runs its token."""

    target: Target


@dataclass(frozen=True, slots=True)
class Revoke:
    """Regenerate a key that no Secret and no pod uses."""

    key: Key


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing to do before until."""

    until: datetime
    reason: Reason


Step = Adopt | Issue | Write | Restart | Replace | RollBack | Await | Verify | Revoke | Rest


def step_id(step: Step) -> tuple[str, ...]:
    """Return what identifies a step within a run: its kind, and the names of what it changes."""
    kind = type(step).__name__
    match step:
        case Restart(target, workload):
            return kind, target.name, workload.name
        case Replace(target, pod):
            return kind, target.name, pod.name, pod.instance
        case Adopt(target) | Issue(target) | Write(target) | RollBack(target) | Verify(target):
            return kind, target.name
        case Revoke(key):
            return kind, key
        case Await() | Rest():
            return (kind,)
