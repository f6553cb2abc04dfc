"""What can be done: the steps of a rotation, each one effect."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rotator.core.observation import Pod, Target, Workload
from rotator.core.records import Decision, Key, Reason


@dataclass(frozen=True, slots=True)
class Adopt:
    """Write down a live token that is not ours."""

    target: Target
    decision: Decision


@dataclass(frozen=True, slots=True)
class Issue:
    """Mint a token and write it to the first target; the others follow as laggards."""

    target: Target
    key: Key
    fresh: bool
    """Regenerate the key first: nobody holds a token of it."""
    basis: Decision | None
    condemned: frozenset[Key]
    reason: Reason
    requested_at: datetime | None


@dataclass(frozen=True, slots=True)
class Write:
    """Put the decision's token in place; a repair keeps the record and counts."""

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
    """Evict a pod that may have started while a stranger's token was in place."""

    target: Target
    pod: Pod


@dataclass(frozen=True, slots=True)
class RollBack:
    """Put the last proven token back where a new one failed."""

    target: Target
    decision: Decision


@dataclass(frozen=True, slots=True)
class Await:
    """Let rollouts go on; look again when something changes."""

    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verify:
    """Write down that every pod of the target runs its token."""

    target: Target


@dataclass(frozen=True, slots=True)
class Revoke:
    """Regenerate a key that nobody needs any more."""

    key: Key


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing to do before until."""

    until: datetime
    reason: Reason


Step = Adopt | Issue | Write | Restart | Replace | RollBack | Await | Verify | Revoke | Rest


def step_id(step: Step) -> tuple[str, ...]:
    """Return what tells a step from others of a run: its kind, and the names of what it is done to."""
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
