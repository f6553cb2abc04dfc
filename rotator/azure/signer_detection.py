"""Who signed a token: issue it again with each key and compare. Needs no key, only `generateToken`."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime

from rotator.core.records import Key
from rotator.core.verification import SignerQuery
from rotator.errors import RotatorError

log = logging.getLogger(__name__)

Ask = Callable[[Key, datetime], Awaitable[str]]
"""Returns the fingerprint of the token that a key signs today for an expiry."""


class SignerDetection:
    """Whether tokens can be recognised by issuing them again: on until Azure answers differently."""

    def __init__(self) -> None:
        self.on = True

    def switch_off(self, gateway: str) -> None:
        """Stop recognising tokens for the life of this process, and say so once."""
        if self.on:
            log.warning(
                "Azure gave two different tokens for the same key and expiry of gateway %s: tokens cannot be "
                "recognised any more. Renewals go on by expiry, but a key that somebody else regenerates is "
                "not noticed until this process is restarted",
                gateway,
            )
        self.on = False


class SignerProbe:
    """One round of questions about the tokens of one gateway; no question is asked twice but as a check."""

    def __init__(self, gateway: str, identification: SignerDetection, ask: Ask) -> None:
        self._gateway = gateway
        self._identification = identification
        self._ask = ask
        self.problems: list[RotatorError] = []
        """Why some tokens are left out of the findings."""

    async def signers(self, signer_queries: Iterable[SignerQuery]) -> Mapping[str, Key | None]:
        """Return by fingerprint the key that signs it today, None for nobody; without those left open."""
        alike: dict[datetime, list[SignerQuery]] = defaultdict(list)
        for doubt in signer_queries:
            alike[doubt.expires_at].append(doubt)
        async with asyncio.TaskGroup() as tasks:
            looks = [tasks.create_task(self._look(at, group)) for at, group in alike.items()]
        return {fingerprint: key for look in looks for fingerprint, key in look.result().items()}

    async def _look(self, expires_at: datetime, signer_queries: list[SignerQuery]) -> dict[str, Key | None]:
        found: dict[str, Key | None] = {}
        answers: dict[Key, str] = {}
        try:
            for doubt in signer_queries:
                found |= await self._match(doubt, answers)
            strangers = {d.fingerprint: None for d in signer_queries if d.fingerprint not in found}
            if strangers and await self._steady(expires_at, answers):
                found |= strangers
        except RotatorError as error:
            self.problems.append(error)
        return found

    async def _match(self, doubt: SignerQuery, answers: dict[Key, str]) -> dict[str, Key]:
        first = doubt.hint or Key.PRIMARY
        for key in (first, first.other):
            if key not in answers:
                answers[key] = await self._ask(key, doubt.expires_at)
            if answers[key] == doubt.fingerprint:
                return {doubt.fingerprint: key}
        return {}

    async def _steady(self, expires_at: datetime, answers: dict[Key, str]) -> bool:
        """Whether the same question gets the same answer: without that nothing follows from a difference.

        Two equal answers after a different one: the key was regenerated just now. Nothing follows
        from that either, but the next look will tell.
        """
        key, before = next(iter(answers.items()))
        again = await self._ask(key, expires_at)
        if again == before:
            return True
        if await self._ask(key, expires_at) != again:
            self._identification.switch_off(self._gateway)
        return False
