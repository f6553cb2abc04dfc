"""The public keys with which Microsoft Entra ID signs: fetched, cached, refreshed."""

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

REFRESH_INTERVAL = 24 * 3600.0
"""Seconds between two regular fetches. Microsoft advises to fetch once a day, and for an unknown key:
https://learn.microsoft.com/entra/identity-platform/signing-key-rollover.
"""
MIN_FETCH_INTERVAL = 60.0
"""Seconds after a fetch in which an unknown key causes no other."""
RETRY_INTERVAL = 10.0
"""Seconds after a failed fetch in which no other begins."""
FETCH_TIMEOUT = 10.0
"""Seconds for one fetch."""
MAX_KEY_SET_BYTES = 1_048_576
"""Size of an answer."""


@dataclass(slots=True)
class SigningKeys:
    """The keys at an https address. ca_file: a bundle to trust in addition to the system's.

    An unknown key causes another fetch, but at most one a minute (after a failure: every ten
    seconds). While the address does not answer, the keys of the last fetch stay in use.
    """

    url: str
    ca_file: Path | None = None
    clock: Callable[[], float] = time.monotonic
    problem: str = field(default="they were not fetched yet", init=False)
    _keys: Mapping[str, jwt.PyJWK] = field(default_factory=dict, init=False, repr=False)
    _not_before: float = field(default=float("-inf"), init=False)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock, init=False, repr=False)

    async def find(self, kid: str) -> jwt.PyJWK | None:
        """Return the key; None: the keys were fetched just now, and it is not among them.

        Raises:
            Unavailable: unknown, because the address does not answer or was asked a moment ago.
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
        """Begin with the keys that other fetched from the same address, until the next fetch."""
        if self.url == other.url and not self._keys and other._keys:
            self._keys, self.problem = other._keys, ""

    async def refresh(self) -> None:
        """Fetch the keys now. Raises Unavailable; the old ones then stay in use."""
        async with self._lock:
            await self._fetch()

    async def keep_fresh(self) -> None:
        """Fetch the keys at once and then every day, until cancelled; retry soon while there are none."""
        while True:
            try:
                await self.refresh()
                await asyncio.sleep(REFRESH_INTERVAL)
            except Unavailable:
                await asyncio.sleep(RETRY_INTERVAL if not self._keys else MIN_FETCH_INTERVAL)

    async def _fetch(self) -> None:
        self._not_before = self.clock() + RETRY_INTERVAL
        try:
            async with asyncio.timeout(FETCH_TIMEOUT):
                found = parse_key_set(await self._get())
            if not found:
                raise ValueError("it holds no RSA key for signatures")  # noqa: TRY301 - as any other bad answer
        except (aiohttp.ClientError, OSError, ValueError, RecursionError) as error:
            self._failed(error)
            raise Unavailable(
                "the signing keys cannot be fetched", timedelta(seconds=RETRY_INTERVAL)
            ) from error
        self._not_before = self.clock() + MIN_FETCH_INTERVAL
        if self.problem or set(found) != set(self._keys):
            log.info("the signing keys of Entra were fetched", extra={"keys": len(found)})
        self._keys, self.problem = found, ""

    def _failed(self, error: Exception) -> None:
        """Log a problem once, not at each attempt. Deliveries that waited for this fetch begin no other."""
        self._not_before = self.clock() + RETRY_INTERVAL
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
                if len(body) > MAX_KEY_SET_BYTES:
                    raise ValueError("it answered with more than a mebibyte")
        return json.loads(body)


def parse_key_set(document: object) -> dict[str, jwt.PyJWK]:
    """Return the RSA keys for signatures by their id; ignore whatever else a key set holds."""
    listed = document.get("keys") if isinstance(document, dict) else None
    found: dict[str, jwt.PyJWK] = {}
    for key in listed if isinstance(listed, list) else []:
        if not isinstance(key, dict) or key.get("kty") != "RSA" or key.get("use", "sig") != "sig":
            continue
        kid = key.get("kid")
        if isinstance(kid, str) and (parsed := _parse_key(key)):
            found[kid] = parsed
    return found


def _parse_key(key: dict[str, Any]) -> jwt.PyJWK | None:
    try:
        return jwt.PyJWK(key, algorithm="RS256")
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context
