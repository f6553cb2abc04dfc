"""Turns events into requests on Secrets, then wakes the gateways: in this order, so that no event is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from rotator.app.bootstrap import GatewayServices
from rotator.errors import Unavailable
from rotator.eventgrid.events import EventKey, Kind, TokenEvent
from rotator.rotation import Noted, request

FOREIGN = "foreign"
MAX_CONCURRENT_REQUESTS = 32
"""Bounds how many events are noted at the same time: each takes a connection to its cluster, and a delivery
may hold 5,000 events.
"""


class EventHandler:
    """Notes durably what events ask for. Events with the same key share one request."""

    def __init__(self, gateways: Mapping[str, GatewayServices], wake: Callable[[str, str], None]) -> None:
        self._by_resource = {g.settings.resource_id.key: g for g in gateways.values()}
        self._wake = wake
        self._turn = asyncio.Semaphore(MAX_CONCURRENT_REQUESTS)
        self._pending: dict[EventKey, asyncio.Task[Noted]] = {}

    async def handle(self, events: Sequence[TokenEvent]) -> Sequence[str]:
        """Return the outcome of each event, in order: accepted, duplicate, stale or foreign.

        Raises:
            Unavailable: at least one event could not be noted. The others were; all may be sent again.
        """
        outcomes = await asyncio.gather(*(self._one(e) for e in events), return_exceptions=True)
        if failed := next((o for o in outcomes if isinstance(o, BaseException)), None):
            raise failed
        return [str(o) for o in outcomes]

    async def _one(self, event: TokenEvent) -> str:
        gateway = self._by_resource.get(event.resource)
        if gateway is None:
            return FOREIGN
        if event.kind is Kind.EXPIRED:
            # Azure refuses a token, whatever its stamp says: have the next run ask Azure about every token.
            gateway.ports.signers.forget()
        if event.expires_at is None:
            # The event does not say which token it is about, nor whether that token was replaced since: a
            # request would rotate at each repetition. A run finds what is true, and each start begins one.
            self._wake(gateway.name, str(event.kind))
            return Noted.ACCEPTED
        if (task := self._pending.get(event.key)) is None:
            task = asyncio.create_task(self._note(gateway, event))
            self._pending[event.key] = task
            task.add_done_callback(lambda _: self._pending.pop(event.key, None))
            return await asyncio.shield(task)
        outcome = await asyncio.shield(task)
        return Noted.DUPLICATE if outcome is Noted.ACCEPTED else outcome

    async def _note(self, gateway: GatewayServices, event: TokenEvent) -> Noted:
        by, ports = f"Event Grid ({event.kind}, instance {event.instance})", gateway.ports
        async with self._turn:
            outcome = await request(ports.store, ports.clock, expires_at=event.expires_at, by=by)
        if outcome is Noted.ABSENT:
            raise Unavailable(f"no Secret of gateway {gateway.name} can be read")
        if outcome in {Noted.ACCEPTED, Noted.DUPLICATE}:
            self._wake(gateway.name, str(event.kind))
        return outcome
