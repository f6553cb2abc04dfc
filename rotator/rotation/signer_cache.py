"""Remembers which key signs which token, so that Azure is asked rarely, and not at all after a restart."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from rotator.core.observation import Observation
from rotator.core.records import Key
from rotator.core.signing import SignerQuery, signer_queries
from rotator.ports import IssuedToken, Issuer

MAX_UNRECORDED_AGE = timedelta(minutes=1)
"""How long an answer about a token that another writer put in place is used: long enough to adopt the token,
and too short for another process to regenerate its key meanwhile."""


class SignerCache:
    """The issuer's answers, each used for max_age.

    A token whose key is on record counts as asked about when this process started: a restart costs
    no call, and yet Azure is asked about every key once per max_age.
    """

    def __init__(self, issuer: Issuer, max_age: timedelta, started: datetime) -> None:
        self._issuer = issuer
        self._max_age = max_age
        self._started = started
        self._known: dict[str, tuple[Key | None, datetime]] = {}

    async def of(
        self, observation: Observation, now: datetime, *, hints: bool = True, fresh: bool = False
    ) -> dict[str, Key | None]:
        """Return which key signs each token of observation today. hints=False: do not use the key on record
        as an answer. fresh: use no remembered answer.
        """
        queries = signer_queries(observation, now)
        due = [q for q in queries if fresh or self._due(q, now, hints=hints)]
        answers = dict(await self._issuer.signers(due)) if due else {}
        names = {q.fingerprint for q in queries}
        remembered = {
            f: known for f, known in self._known.items() if f in names and self._young(known[1], now)
        }
        self._known = remembered | {f: (key, now) for f, key in answers.items()}
        return answers if fresh else {f: key for f, (key, _) in self._known.items()}

    def minted(self, token: IssuedToken, now: datetime) -> None:
        """Remember a token that was just issued: Azure need not be asked about it."""
        self._known[token.fingerprint] = (token.key, now)

    def forget(self) -> None:
        """Forget every answer: a key was, or may have been, regenerated."""
        self._known.clear()
        self._started = datetime.min.replace(tzinfo=UTC)

    def _due(self, query: SignerQuery, now: datetime, *, hints: bool) -> bool:
        if query.fingerprint in self._known:
            asked_at = self._known[query.fingerprint][1]
            unrecorded = query.hint is None and now - asked_at >= MAX_UNRECORDED_AGE
            return unrecorded or not self._young(asked_at, now)
        return query.hint is None or not hints or not self._young(self._started, now)

    def _young(self, asked_at: datetime, now: datetime) -> bool:
        return now - asked_at < self._max_age
