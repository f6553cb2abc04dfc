"""The result of authenticating one request, and how the results of several methods combine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum


class AuthOutcome(IntEnum):
    """In rising order of weight: of the results of several methods, the weightiest counts.

    UNDECIDED outweighs a refusal, because a refusal is final: Event Grid never retries a delivery that
    was answered 401 or 403.
    """

    NO_CREDENTIAL = 0
    INVALID = 1
    FORBIDDEN = 2
    UNDECIDED = 3
    AUTHENTICATED = 4


@dataclass(frozen=True, slots=True)
class AuthResult:
    """reason: one of a few fixed sentences, without a quote. retry_after: seconds, if UNDECIDED."""

    outcome: AuthOutcome
    reason: str = ""
    retry_after: float = 0.0


AUTHENTICATED = AuthResult(AuthOutcome.AUTHENTICATED)
NO_CREDENTIAL = AuthResult(AuthOutcome.NO_CREDENTIAL, "no credential")


def combine(results: Iterable[AuthResult]) -> AuthResult:
    """Return the weightiest result; of equals the first; NO_CREDENTIAL if there is none."""
    return max(results, key=lambda result: result.outcome, default=NO_CREDENTIAL)
