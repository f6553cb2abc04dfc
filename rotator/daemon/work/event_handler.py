"""Events become requests on Secrets, then wake-ups: in this order, so that none is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from rotator.app.bootstrap import GatewayServices
from rotator.errors import Unavailable
from rotator.eventgrid import TokenEvent
from rotator.eventgrid.events import EventKey, Kind
from rotator.ports import Clock
from rotator.rotation import Noted, request

FOREIGN = "foreign"
AT_ONCE = 32
"""So many events are noted at a time: each takes a connection to its cluster, a delivery may hold 5,000."""


class EventHandler:
    """Notes what events ask for. Many events about one token share one look at the Secret."""

    def __init__(
        self,
        units: Mapping[str, GatewayServices],
        clock: Clock,
        wake: Callable[[str, str], None],
    ) -> None:
        self._by_resource = {u.settings.resource_id.key: u for u in units.values()}
        self._clock = clock
        self._wake = wake
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._pending: dict[EventKey, asyncio.Task[Noted]] = {}

    async def dispatch(self, events: Sequence[TokenEvent]) -> Sequence[str]:
        """Return for each event what became of it: accepted, duplicate, stale or foreign.

        Raises:
            Unavailable: at least one could not be noted. The others are; all may be sent again.
        """
        noted = await asyncio.gather(*(self._one(e) for e in events), return_exceptions=True)
        if failed := next((n for n in noted if isinstance(n, BaseException)), None):
            raise failed
        return [str(n) for n in noted]

    async def _one(self, event: TokenEvent) -> str:
        unit = self._by_resource.get(event.resource)
        if unit is None:
            return FOREIGN
        if event.kind is Kind.EXPIRED:
            unit.signers.forget()  # Azure refuses a token: whatever its stamp says, ask whether it is alive
        if event.expires_at is None:
            # Which token it means nobody can tell, nor whether that has been replaced since: a request would
            # rotate at each repetition. A look finds what is true, and every start takes one.
            self._wake(unit.gateway.name, str(event.kind))
            return Noted.ACCEPTED
        if (task := self._pending.get(event.key)) is None:
            task = asyncio.create_task(self._note(unit, event))
            self._pending[event.key] = task
            task.add_done_callback(lambda _: self._pending.pop(event.key, None))
            outcome = await asyncio.shield(task)
        else:
            outcome = await asyncio.shield(task)
            outcome = Noted.DUPLICATE if outcome is Noted.ACCEPTED else outcome
        if outcome is Noted.ABSENT:
            raise Unavailable(f"no Secret of gateway {unit.gateway.name} can be looked at")
        return outcome

    async def _note(self, unit: GatewayServices, event: TokenEvent) -> Noted:
        by = f"Event Grid ({event.kind}, instance {event.instance})"
        async with self._turn:
            outcome = await request(unit.fleet, self._clock, expires_at=event.expires_at, by=by)
        if outcome in {Noted.ACCEPTED, Noted.DUPLICATE}:
            self._wake(unit.gateway.name, str(event.kind))
        return outcome
