"""What a way of authentication says about one request, and how several of them agree."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum


class Verdict(IntEnum):
    """In rising order of weight: of several ways, the weightiest word counts.

    UNDECIDED outweighs a refusal, because a refusal is for good: Event Grid never repeats what was
    answered 401 or 403.
    """

    ABSENT = 0
    WRONG = 1
    FORBIDDEN = 2
    UNDECIDED = 3
    ADMITTED = 4


@dataclass(frozen=True, slots=True)
class Judgement:
    """why: a sentence of ours, one of few, that quotes nothing. retry_after: seconds, if UNDECIDED."""

    verdict: Verdict
    why: str = ""
    retry_after: float = 0.0


ADMITTED = Judgement(Verdict.ADMITTED)


def weightiest(judgements: Iterable[Judgement]) -> Judgement:
    """Return the one that counts; of equals the first. Nothing was asked: ABSENT."""
    return max(judgements, key=lambda j: j.verdict, default=Judgement(Verdict.ABSENT, "no credential"))
