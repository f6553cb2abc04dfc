"""Remembers who signs which token, so that Azure is asked seldom and restarts ask nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from rotator.core.observation import Observation
from rotator.core.records import Key
from rotator.core.verification import SignerQuery, signer_queries
from rotator.ports import IssuedToken, Issuer

STRANGERS_AGE = timedelta(minutes=1)
"""So long an answer about a token that somebody else put in place is believed: long enough to take it over,
and too short for another process to end its key meanwhile."""


class SignerCache:
    """The issuer's answers, each believed for max_age.

    A token whose key is on record counts as asked when this process started: a restart costs no
    call, and yet every key is proven again once per max_age.
    """

    def __init__(self, issuer: Issuer, max_age: timedelta, started: datetime) -> None:
        self._issuer = issuer
        self._max_age = max_age
        self._started = started
        self._known: dict[str, tuple[Key | None, datetime]] = {}

    async def of(
        self, seen: Observation, now: datetime, *, hints: bool = True, fresh: bool = False
    ) -> dict[str, Key | None]:
        """Return who signs the tokens in seen today. hints=False: do not take what is on record for an
        answer; fresh: believe nothing, ask about all.
        """
        asked = signer_queries(seen, now)
        due = [d for d in asked if fresh or self._due(d, now, hints=hints)]
        answers = dict(await self._issuer.signers(due)) if due else {}
        names = {d.fingerprint for d in asked}
        believed = {f: known for f, known in self._known.items() if f in names and self._young(known[1], now)}
        self._known = believed | {f: (key, now) for f, key in answers.items()}
        return answers if fresh else {f: key for f, (key, _) in self._known.items()}

    def minted(self, token: IssuedToken, now: datetime) -> None:
        """Remember a token that was just issued: nobody needs to be asked about it."""
        self._known[token.fingerprint] = (token.key, now)

    def forget(self) -> None:
        """Believe nothing any more: a key was, or may have been, regenerated."""
        self._known.clear()
        self._started = datetime.min.replace(tzinfo=UTC)

    def _due(self, doubt: SignerQuery, now: datetime, *, hints: bool) -> bool:
        if doubt.fingerprint in self._known:
            asked_at = self._known[doubt.fingerprint][1]
            strange = doubt.hint is None and now - asked_at >= STRANGERS_AGE
            return strange or not self._young(asked_at, now)
        return doubt.hint is None or not hints or not self._young(self._started, now)

    def _young(self, asked_at: datetime, now: datetime) -> bool:
        return now - asked_at < self._max_age
