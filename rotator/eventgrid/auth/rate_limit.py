"""The source of a request, as an address, and how often one source may send."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAX_HOPS = 32
"""Addresses of X-Forwarded-For that are read, from the right."""
MAX_SOURCES = 10_000
"""Sources whose rate is kept."""
IPV6_PREFIX = 64
"""Bits of an IPv6 address that tell sources apart: a client usually has the whole /64."""


def source(peer: str, forwarded: Iterable[str], trusted: tuple[Network, ...]) -> str:
    """Return the source of a request.

    peer: the address that the connection comes from. forwarded: the X-Forwarded-For headers, in order.
    They count only as far as trusted proxies wrote them: from the right, up to and with the first address
    that is not a trusted proxy. Any client can write what stands to the left of it.
    """
    here = _address(peer)
    if here is None:
        return peer[:64]
    if _is_trusted(here, trusted):
        hops = ",".join(forwarded).rsplit(",", MAX_HOPS)[-MAX_HOPS:]
        for hop in reversed(hops):
            before = _address(hop)
            if before is None:
                break
            here = before
            if not _is_trusted(here, trusted):
                break
    if isinstance(here, IPv6Address):
        return str(ip_network((here, IPV6_PREFIX), strict=False))
    return str(here)


def _is_trusted(address: Address, trusted: tuple[Network, ...]) -> bool:
    return any(address.version == network.version and address in network for network in trusted)


def _address(text: str) -> Address | None:
    """Return the address in text, which may have a port, brackets or a zone, or None."""
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        found = ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


@dataclass(slots=True)
class RateLimit:
    """A token bucket per source: it holds a minute's worth, and fills up evenly.

    There are never more than max_sources: beyond that, the source that was silent longest is forgotten, and
    starts with a full bucket when it returns. clock: monotonic, seconds.
    """

    per_minute: int
    clock: Callable[[], float] = time.monotonic
    max_sources: int = MAX_SOURCES
    _buckets: OrderedDict[object, tuple[float, float]] = field(default_factory=OrderedDict, repr=False)

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: object) -> float:
        """Take one request from the bucket of key: 0.0 if it may pass, else the seconds to wait."""
        now, size, rate = self.clock(), float(self.per_minute), self.per_minute / 60
        left, at = self._buckets.get(key, (size, now))
        left = min(size, left + (now - at) * rate)
        passes = left >= 1
        self._buckets[key] = (left - 1 if passes else left, now)
        self._buckets.move_to_end(key)
        if len(self._buckets) > self.max_sources:
            self._buckets.popitem(last=False)
        return 0.0 if passes else (1 - left) / rate
