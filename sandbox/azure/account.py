"""The Azure side of the world as tests handle it: gateways, permissions, limits, authentications."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sandbox.azure.entra import Entra
from sandbox.azure.identity import Identity
from sandbox.azure.keys import Gateway, utc_now
from sandbox.azure.throttle import TokenBucket
from sandbox.names import HOME

SUBSCRIPTION = "11111111-2222-4333-8444-555555555555"
REMEMBERED = 50_000


@dataclass(frozen=True, slots=True)
class Authentication:
    """One attempt of a pod to fetch its configuration; `fingerprint` is of the bare token, "" for none."""

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
    ignored) that ARM refuses to everybody. `page_size` splits lists into pages. `now` (UTC) judges the expiry
    of tokens; it may be replaced at any time.
    """

    def __init__(self, now: Callable[[], datetime] = utc_now) -> None:
        self.now = now
        self.identity = Identity()
        self.entra = Entra()
        self.denied: set[str] = set()
        self.page_size: int | None = None
        self.authentications: deque[Authentication] = deque(maxlen=REMEMBERED)
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
        """Create a gateway with two new keys. Raises ValueError if it exists already."""
        made = Gateway(gateway, service, group, subscription, now=self.time)
        if self.find(made.resource_id):
            raise ValueError(f"the gateway {made.resource_id} exists already")
        self._gateways[made.resource_id.lower()] = made
        return made

    def shift(self, offset: timedelta) -> None:
        """Set Azure's clock so much ahead of this machine's: expiries and ARM's `Date` go by it."""
        self.now = lambda: utc_now() + offset

    def time(self) -> datetime:
        """Azure's clock, whoever replaces `now`."""
        return self.now()

    def find(self, resource_id: str) -> Gateway | None:
        """The gateway with this ARM id, ignoring case."""
        return self._gateways.get(resource_id.lower())

    def named(self, name: str) -> list[Gateway]:
        """The gateways of this name, at most one per service."""
        return [gateway for gateway in self._gateways.values() if gateway.name.lower() == name.lower()]

    def throttle(
        self,
        *,
        reads: tuple[float, float] | None = (250, 25),
        writes: tuple[float, float] | None = (200, 10),
    ) -> None:
        """Limit requests by (bucket size, refill per second); None lifts a limit. The defaults are ARM's own.

        "Understand how Azure Resource Manager throttles requests"; a POST counts as a write.
        """
        limits = {"reads": reads, "writes": writes}
        self.buckets = {kind: TokenBucket(*limit) for kind, limit in limits.items() if limit}
