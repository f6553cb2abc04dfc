"""The state of the simulated Azure: gateways, permissions, limits, authentications."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sandbox.azure.entra import Entra
from sandbox.azure.identity import Identity
from sandbox.azure.keys import Gateway
from sandbox.azure.throttle import TokenBucket
from sandbox.common import utc_now
from sandbox.names import HOME

SUBSCRIPTION = "11111111-2222-4333-8444-555555555555"
MAX_AUTHENTICATIONS = 50_000
"""Attempts that are kept; the oldest are dropped."""


@dataclass(frozen=True, slots=True)
class Authentication:
    """One attempt of a pod to fetch its configuration; `fingerprint` is the bare token's, "" without one."""

    gateway: str
    namespace: str
    pod: str
    fingerprint: str
    ok: bool
    at: datetime
    cluster: str = HOME


class Azure:
    """All API Management services of the sandbox.

    `denied` holds actions such as "Microsoft.ApiManagement/service/gateways/regenerateKey/action" (case is
    ignored) that ARM refuses to every caller. `page_size` splits lists into pages. `now` (UTC) decides if a
    token has expired; tests may replace it at any time.
    """

    def __init__(self, now: Callable[[], datetime] = utc_now) -> None:
        self.now = now
        self.identity = Identity()
        self.entra = Entra()
        self.denied: set[str] = set()
        self.page_size: int | None = None
        self.authentications: deque[Authentication] = deque(maxlen=MAX_AUTHENTICATIONS)
        self.buckets: dict[str, TokenBucket] = {}
        self._gateways: dict[str, Gateway] = {}

    @property
    def gateways(self) -> list[Gateway]:
        return list(self._gateways.values())

    def add_gateway(
        self,
        gateway: str,
        service: str = "contoso",
        group: str = "gateways",
        subscription: str = SUBSCRIPTION,
    ) -> Gateway:
        """Create a gateway with two new keys. Raises ValueError if it already exists."""
        created = Gateway(gateway, service, group, subscription, now=self.time)
        if self.find(created.resource_id):
            raise ValueError(f"the gateway {created.resource_id} already exists")
        self._gateways[created.resource_id.lower()] = created
        return created

    def shift(self, offset: timedelta) -> None:
        """Set Azure's clock ahead of this machine's; it decides expiries and ARM's `Date` header."""
        self.now = lambda: utc_now() + offset

    def time(self) -> datetime:
        """Return Azure's time. Unlike `now`, this method is never replaced."""
        return self.now()

    def find(self, resource_id: str) -> Gateway | None:
        """Return the gateway with this ARM id, ignoring case."""
        return self._gateways.get(resource_id.lower())

    def named(self, name: str) -> list[Gateway]:
        """Return the gateways with this name, at most one per service."""
        return [gateway for gateway in self._gateways.values() if gateway.name.lower() == name.lower()]

    def throttle(
        self,
        *,
        reads: tuple[float, float] | None = (250, 25),
        writes: tuple[float, float] | None = (200, 10),
    ) -> None:
        """Limit requests by (bucket size, refill per second); None removes a limit. The defaults are ARM's.

        "Understand how Azure Resource Manager throttles requests"; a POST counts as a write.
        """
        limits = {"reads": reads, "writes": writes}
        self.buckets = {kind: TokenBucket(*limit) for kind, limit in limits.items() if limit}
