"""What the annotations on each target's Secret say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Key(StrEnum):
    """One of a gateway's two signing keys (Azure's `keyType`)."""

    PRIMARY = "primary"
    SECONDARY = "secondary"

    @property
    def other(self) -> Key:
        return Key.SECONDARY if self is Key.PRIMARY else Key.PRIMARY


class Reason(StrEnum):
    """Why a step is taken, or none; the same in log, metric, Event and command line."""

    MISSING = "Missing"
    EXPIRED = "Expired"
    REVOKED = "Revoked"
    NEARING_EXPIRY = "NearingExpiry"
    REQUESTED = "Requested"
    CONDEMNED = "Condemned"

    ADOPTED = "Adopted"
    LAGGING = "Lagging"
    DRIFTED = "Drifted"
    OUTDATED = "Outdated"
    SUSPECT = "Suspect"
    ROLLOUT_FAILED = "RolloutFailed"
    ROLLING_OUT = "RollingOut"
    PROVEN = "Proven"
    SUPERSEDED = "Superseded"

    SETTLED = "Settled"
    UNSETTLED = "Unsettled"
    HELD = "Held"
    FIGHTING = "Fighting"
    ROLLED_BACK = "RolledBack"


PROVEN = frozenset({Reason.SETTLED, Reason.ROLLED_BACK})
"""Reasons to rest while every pod is known to run the token in place."""


class Revocation(StrEnum):
    """When the key behind the previous token is regenerated."""

    NEVER = "never"
    BEFORE_REUSE = "before-reuse"
    AFTER_VERIFY = "after-verify"


@dataclass(frozen=True, slots=True)
class Token:
    """A token without its value. key is None while it is not known which one signed it;
    template_token is what the annotation on pod templates says while the token is current (None: it was
    adopted, and they say nothing).
    """

    fingerprint: str
    key: Key | None
    issued_at: datetime
    expires_at: datetime
    template_token: str | None
    adopted: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """The token that all targets shall hold. The highest order wins, so a roll-back outlives a crash."""

    revision: int
    token: Token
    condemned: frozenset[Key] = frozenset()
    failures: int = 0
    retry_at: datetime | None = None

    @property
    def order(self) -> tuple[int, datetime, str]:
        return self.revision, self.token.issued_at, self.token.fingerprint

    @property
    def rolled_back(self) -> bool:
        return self.retry_at is not None


@dataclass(frozen=True, slots=True)
class Proven:
    """The last token that the target's pods were proven to run (adopted: are assumed to run)."""

    token: Token
    verified_at: datetime | None
    verified_pods: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Record:
    """A decision as one target has carried it out, and its proof."""

    decision: Decision
    restored_at: datetime | None = None
    """When the value was restored or rolled back: pods of the same template may have started with
    another one before. None: every pod of the template is younger than the value."""
    verified_at: datetime | None = None
    previous: Proven | None = None
    verified_pods: frozenset[str] = frozenset()
    """The pod instances that ran the token when it was verified. They stay trusted whatever happens to
    the Secret later, for no container reads it twice."""

    @property
    def verified(self) -> bool:
        return bool(self.verified_at and self.verified_at >= (self.restored_at or self.verified_at))

    @property
    def proven(self) -> Proven | None:
        token = self.decision.token
        if self.verified_at or token.template_token is None:
            return Proven(token, self.verified_at, self.verified_pods)
        return self.previous


def succeed(old: Record | None, decision: Decision, now: datetime) -> Record:
    """Return the record that a target keeps when decision replaces old."""
    proven = old.proven if old else None
    if proven and proven.token.fingerprint == decision.token.fingerprint:
        return Record(decision, now, proven.verified_at, None, proven.verified_pods)
    return Record(decision, None, None, proven)
