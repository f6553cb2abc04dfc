"""What a decision is made from: an observation, the policy and the time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rotator.core.observation import Observation
from rotator.core.policy import Policy
from rotator.core.records import Decision, Token


@dataclass(frozen=True, slots=True)
class Situation:
    """now: UTC, by the home cluster's clock, which all records go by."""

    observation: Observation
    policy: Policy
    now: datetime

    @property
    def current(self) -> Decision | None:
        """The decision that every target follows."""
        return self.observation.current

    def usable(self, token: Token) -> bool:
        """Whether pods can work with token for longer than panic_before."""
        return not self.observation.dead(token) and token.expires_at - self.policy.panic_before > self.now

    def near_expiry(self, token: Token) -> bool:
        """Whether token expires within renew_before."""
        return token.expires_at - self.policy.renew_before <= self.now
