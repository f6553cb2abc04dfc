"""Finds out which key signed a token: issues the token again with each key and compares.

Needs the permission `generateToken` only, and no key.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime

from rotator.core.records import Key
from rotator.core.signing import SignerQuery
from rotator.errors import RotatorError

log = logging.getLogger(__name__)

Ask = Callable[[Key, datetime], Awaitable[str]]
"""Returns the fingerprint of the token that a key signs today for an expiry."""


class SignerDetection:
    """on: whether Azure still gives the same token for the same key and expiry."""

    def __init__(self) -> None:
        self.on = True

    def switch_off(self, gateway: str) -> None:
        """Stop detecting signers for the life of this process; log it once."""
        if self.on:
            log.warning(
                "Azure gave two different tokens for the same key and expiry of gateway %s: the rotator can "
                "no longer tell which key signed a token. It renews tokens by expiry, but does not notice a "
                "key that another writer regenerates until this process is restarted",
                gateway,
            )
        self.on = False


class SignerProbe:
    """One round of queries about the tokens of one gateway. Repeats a call only to check its answer."""

    def __init__(self, gateway: str, detection: SignerDetection, ask: Ask) -> None:
        self._gateway = gateway
        self._detection = detection
        self._ask = ask
        self.errors: list[RotatorError] = []
        """Why the result leaves out some tokens."""

    async def signers(self, signer_queries: Iterable[SignerQuery]) -> Mapping[str, Key | None]:
        """Return for each fingerprint the key that signs it today; None: no key. Unknown: left out."""
        by_expiry: dict[datetime, list[SignerQuery]] = defaultdict(list)
        for query in signer_queries:
            by_expiry[query.expires_at].append(query)
        async with asyncio.TaskGroup() as tasks:
            probes = [tasks.create_task(self._probe(at, queries)) for at, queries in by_expiry.items()]
        return {fingerprint: key for probe in probes for fingerprint, key in probe.result().items()}

    async def _probe(self, expires_at: datetime, queries: list[SignerQuery]) -> dict[str, Key | None]:
        found: dict[str, Key | None] = {}
        answers: dict[Key, str] = {}
        try:
            for query in queries:
                found |= await self._match(query, answers)
            dead = {query.fingerprint: None for query in queries if query.fingerprint not in found}
            if dead and await self._is_deterministic(expires_at, answers):
                found |= dead
        except RotatorError as error:
            self.errors.append(error)
        return found

    async def _match(self, query: SignerQuery, answers: dict[Key, str]) -> dict[str, Key]:
        first = query.hint or Key.PRIMARY
        for key in (first, first.other):
            if key not in answers:
                answers[key] = await self._ask(key, query.expires_at)
            if answers[key] == query.fingerprint:
                return {query.fingerprint: key}
        return {}

    async def _is_deterministic(self, expires_at: datetime, answers: dict[Key, str]) -> bool:
        """Whether Azure repeats an answer. If it does not, a different token proves nothing.

        Two equal answers after a different one mean that the key was regenerated just now. That proves
        nothing either; the next round will tell.
        """
        key, before = next(iter(answers.items()))
        again = await self._ask(key, expires_at)
        if again == before:
            return True
        if await self._ask(key, expires_at) != again:
            self._detection.switch_off(self._gateway)
        return False
