"""What a run that came to rest leaves behind."""

from __future__ import annotations

from dataclasses import dataclass

from rotator.core.observation import Observation
from rotator.core.run_result import RunResult
from rotator.core.steps import Rest
from rotator.core.verification import resting


@dataclass(frozen=True, slots=True)
class Outcome:
    """rest: the last decision; last: the observation that it was derived from."""

    result: RunResult
    rest: Rest
    last: Observation

    @property
    def proven(self) -> bool:
        """Whether there are targets, all were observed, and nothing is left to prove in any of them."""
        targets = self.last.targets
        return bool(targets) and not self.last.unreachable and all(resting(t) for t in targets)
