"""One rotation, from trigger to rest: look, decide, act; repeat."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from rotator.core.plan import next_step
from rotator.core.seen import Observed
from rotator.core.steps import Await, Rest, Step
from rotator.errors import Busy, Conflict, Unavailable
from rotator.rotation.act import act
from rotator.rotation.context import Gateway, Ports
from rotator.rotation.outcome import Outcome, conclude

LOOK_AGAIN = timedelta(seconds=60)
"""While rollouts go on we are told of changes; this often we look without being told."""
MANY_CONFLICTS = 20
"""So many in a row are no coincidence: somebody rewrites the Secret all the time."""


async def rotate(gateway: Gateway, ports: Ports) -> Outcome:
    """Bring gateway to rest.

    Safe to call at any time, any number of times, and after a crash anywhere inside an earlier
    call: a gateway that needs nothing is left alone, and not even its Lease is touched.

    Raises:
        Unavailable: Azure or the cluster did not answer; what was done so far is on the objects.
        Refused: somebody has to change something first.
        Busy: another process is at it.
        LeaseLost: another process took over.
        Stopping: the process was asked to leave.
    """
    async with ports.turn:
        seen = await look(ports)
    step = next_step(seen, gateway.policy, ports.clock.now())
    ports.reporter.decided(step, seen, ports.clock.now())
    try:
        return await Run(gateway, ports, seen).to_rest(step)
    finally:
        await ports.lease.release()


async def look(ports: Ports, *, fresh: bool = False) -> Observed:
    """Return everything a decision may look at; fresh: ask the issuer anew about every token."""
    seen = await ports.fleet.observe()
    return replace(seen, signers=await ports.signers.of(seen, ports.clock.now(), fresh=fresh))


class Run:
    """The loop, with what it remembers for its outcome. It decides by what is seen alone."""

    def __init__(self, gateway: Gateway, ports: Ports, seen: Observed) -> None:
        self.policy = gateway.policy
        self.ports = ports
        self.first = self.seen = seen
        self.taken: set[type[Step]] = set()
        self.held = False
        self.conflicts = 0

    async def to_rest(self, step: Step) -> Outcome:
        clock = self.ports.clock
        while not isinstance(step, Rest):
            clock.checkpoint()
            if isinstance(step, Await):
                await clock.wait(
                    self.ports.fleet.changed(self.seen, min(LOOK_AGAIN, self.policy.rollout_timeout))
                )
            else:
                await self.take(step)
            async with self.ports.turn:
                self.seen = await look(self.ports)
            step = next_step(self.seen, self.policy, clock.now())
            self.ports.reporter.decided(step, self.seen, clock.now())
        return conclude(self.first, self.seen, step, self.taken)

    async def take(self, step: Step) -> None:
        """Take one step under the lease; nothing is done if somebody changed things since the look."""
        try:
            async with self.ports.turn:
                await self.hold()
                await act(step, self.policy, self.ports)
        except Conflict:
            self.conflicts += 1
            if self.conflicts >= MANY_CONFLICTS:
                raise Unavailable("somebody else rewrites Secret, workload or Lease all the time") from None
            return
        self.conflicts = 0
        self.taken.add(type(step))
        self.ports.reporter.done(step, self.ports.clock.now())

    async def hold(self) -> None:
        """Take the lease at the first step; until then nobody else needs to wait for us."""
        if not self.held and not await self.ports.lease.acquire(self.seen):
            raise Busy("another process is at work on this gateway")
        self.held = True
