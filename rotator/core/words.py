"""The closed vocabularies: keys, reasons, ways to revoke."""

from __future__ import annotations

from enum import StrEnum


class Key(StrEnum):
    """One of a gateway's two signing keys (Azure's `keyType`)."""

    PRIMARY = "primary"
    SECONDARY = "secondary"

    @property
    def other(self) -> Key:
        return Key.SECONDARY if self is Key.PRIMARY else Key.PRIMARY


class Reason(StrEnum):
    """Why something is done, or not done; feeds log, metric, Event and CLI alike."""

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
"""Reasons to rest with every pod known to run the token in place."""


class Revocation(StrEnum):
    """When the key behind the previous token is regenerated."""

    NEVER = "never"
    BEFORE_REUSE = "before-reuse"
    AFTER_VERIFY = "after-verify"
