"""The public keys by which Microsoft Entra ID signs: fetched, kept, fetched again."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import jwt

from rotator.errors import Unavailable

log = logging.getLogger(__name__)

DAY = 24 * 3600.0
"""Microsoft advises to look for new keys once a day, and at once when a key is not known:
https://learn.microsoft.com/entra/identity-platform/signing-key-rollover.
"""
GAP = 60.0
AFTER_FAILURE = 10.0
FETCH_SECONDS = 10.0
LARGEST = 1_048_576


@dataclass(slots=True)
class SigningKeys:
    """The keys at an https address. ca_file: a bundle to trust in addition to the system's.

    A key that is not in the set makes it ask again, but at most once a minute (after a failure: every ten
    seconds), whoever sends what. While the address does not answer, the keys fetched last stay in use.
    """

    url: str
    ca_file: Path | None = None
    clock: Callable[[], float] = time.monotonic
    problem: str = field(default="they were not fetched yet", init=False)
    _keys: Mapping[str, jwt.PyJWK] = field(default_factory=dict, init=False, repr=False)
    _not_before: float = field(default=float("-inf"), init=False)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock, init=False, repr=False)

    async def find(self, kid: str) -> jwt.PyJWK | None:
        """Return the key; None: it was asked for just now, and there is none.

        Raises:
            Unavailable: nobody can say, because the address does not answer or was asked a moment ago.
        """
        if known := self._keys.get(kid):
            return known
        async with self._lock:
            if known := self._keys.get(kid):
                return known
            wait = self._not_before - self.clock()
            if wait > 0:
                raise Unavailable("the signing keys were asked for a moment ago", timedelta(seconds=wait))
            await self._fetch()
        return self._keys.get(kid)

    def inherit(self, other: SigningKeys) -> None:
        """Begin with the keys that another has of the same address, until they are fetched again."""
        if self.url == other.url and not self._keys and other._keys:
            self._keys, self.problem = other._keys, ""

    async def refresh(self) -> None:
        """Fetch the keys now. Raises Unavailable; the old ones stay then."""
        async with self._lock:
            await self._fetch()

    async def keep_fresh(self) -> None:
        """Fetch the keys at once and every day, for ever; soon again while there are none."""
        while True:
            try:
                await self.refresh()
                await asyncio.sleep(DAY)
            except Unavailable:
                await asyncio.sleep(AFTER_FAILURE if not self._keys else GAP)

    async def _fetch(self) -> None:
        self._not_before = self.clock() + AFTER_FAILURE
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                found = parse_key_set(await self._get())
            if not found:
                raise ValueError("it holds no RSA key that signs")  # noqa: TRY301 - as any other bad answer
        except (aiohttp.ClientError, OSError, ValueError, RecursionError) as error:
            self._failed(error)
            raise Unavailable(
                "the signing keys cannot be fetched", timedelta(seconds=AFTER_FAILURE)
            ) from error
        self._not_before = self.clock() + GAP
        if self.problem or set(found) != set(self._keys):
            log.info("the signing keys of Entra were fetched", extra={"keys": len(found)})
        self._keys, self.problem = found, ""

    def _failed(self, error: Exception) -> None:
        """Tell it once, not at each attempt. Who waited for this one does not begin another at once."""
        self._not_before = self.clock() + AFTER_FAILURE
        why = str(error) if isinstance(error, ValueError) else type(error).__name__
        problem = f"{self.url} does not answer with keys: {why}"
        if problem != self.problem:
            rest = "the old ones stay in use" if self._keys else "deliveries with bearer tokens are put off"
            log.warning("signing keys: %s; %s", problem, rest)
        self.problem = problem

    async def _get(self) -> object:
        # A session for each of a few fetches a day: no idle connection, and a renewed CA file is read.
        connector = aiohttp.TCPConnector(ssl=_trust(self.ca_file))
        async with (
            aiohttp.ClientSession(connector=connector, trust_env=True) as session,
            session.get(self.url, allow_redirects=False, headers={"accept": "application/json"}) as response,
        ):
            if response.status != 200:
                raise ValueError(f"it answered {response.status}")
            body = bytearray()
            async for chunk in response.content.iter_chunked(65_536):
                body += chunk
                if len(body) > LARGEST:
                    raise ValueError("it answered with more than a mebibyte")
        return json.loads(body)


def parse_key_set(document: object) -> dict[str, jwt.PyJWK]:
    """Return the RSA keys for signatures by their id; whatever else a key set holds is passed over."""
    listed = document.get("keys") if isinstance(document, dict) else None
    found: dict[str, jwt.PyJWK] = {}
    for key in listed if isinstance(listed, list) else []:
        if not isinstance(key, dict) or key.get("kty") != "RSA" or key.get("use", "sig") != "sig":
            continue
        kid = key.get("kid")
        if isinstance(kid, str) and (made := _made(key)):
            found[kid] = made
    return found


def _made(key: dict[str, Any]) -> jwt.PyJWK | None:
    try:
        return jwt.PyJWK(key, algorithm="RS256")
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context
