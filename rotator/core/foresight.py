"""What comes after adopting: a first look at a fleet shall not hide that its tokens are due."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from rotator.core.observation import Observed
from rotator.core.plan import next_step
from rotator.core.policy import Policy
from rotator.core.records import succeed
from rotator.core.steps import Adopt, Step


def after_adopting(seen: Observed, policy: Policy, now: datetime) -> tuple[Step, Observed]:
    """Return the first step that is no Adopt, and what would be seen before it, if nothing else changed."""
    step = next_step(seen, policy, now)
    for _ in seen.targets:
        if not isinstance(step, Adopt):
            break
        adopted = replace(step.target, record=succeed(step.target.record, step.decision, now))
        seen = replace(seen, targets=tuple(adopted if t is step.target else t for t in seen.targets))
        step = next_step(seen, policy, now)
    return step, seen
