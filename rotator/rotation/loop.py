"""One rotation, from trigger to rest: look, decide, act; repeat."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from rotator.core.observation import Observation
from rotator.core.plan import next_step, usable_previous
from rotator.core.records import Key
from rotator.core.revocation import needs_proof
from rotator.core.run_result import result_at_rest
from rotator.core.steps import Await, Rest, Restart, Step, step_id
from rotator.errors import Busy, Conflict, Unavailable
from rotator.rotation.act import act
from rotator.rotation.context import Gateway, Ports
from rotator.rotation.failures import (
    KeyRegenerationFailed,
    TargetFailed,
    TargetFailure,
    TokenUnrecoverable,
    combine,
)
from rotator.rotation.outcome import Outcome

LOOK_AGAIN = timedelta(seconds=60)
"""While rollouts go on we are told of changes; this often we look without being told."""
MAX_CONFLICTS = 20
"""So many in a row are no coincidence: somebody rewrites the Secret all the time."""
MANY_TIMES = 20
"""So often in one run the same step is taken: what it does cannot last."""


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
        seen = await look(gateway, ports)
    step = next_step(seen, gateway.policy, ports.clock.now())
    ports.reporter.decided(step, seen, ports.clock.now())
    run = Run(gateway, ports, seen)
    try:
        return await run.to_rest(step)
    finally:
        run.leave()
        await ports.lease.release()


async def look(gateway: Gateway, ports: Ports) -> Observation:
    """Return everything a decision may look at."""
    seen = await ports.fleet.observe()
    now = ports.clock.now()
    seen = replace(seen, signers=await ports.signers.of(seen, now), window=gateway.window(now))
    if needs_proof(seen, gateway.policy, now):
        seen = replace(seen, signers=await ports.signers.of(seen, now, hints=False))
    return seen


class Run:
    """The loop, with what it remembers for its outcome. It decides by what is seen alone."""

    def __init__(self, gateway: Gateway, ports: Ports, seen: Observation) -> None:
        self.gateway = gateway
        self.policy = gateway.policy
        self.ports = ports
        self.seen = seen
        self.taken: set[type[Step]] = set()
        self.troubles: dict[str, TargetFailure] = {}
        self.lost: dict[str, Key | None] = {}
        self.held = False
        self.rolling = False
        self.conflicts = 0
        self.times: Counter[tuple[str, ...]] = Counter()

    async def to_rest(self, step: Step) -> Outcome:
        clock = self.ports.clock
        while not isinstance(step, Rest):
            clock.checkpoint()
            if isinstance(step, Await):
                self.taken.add(Await)
                await clock.wait(
                    self.ports.fleet.changed(self.seen, min(LOOK_AGAIN, self.policy.rollout_timeout))
                )
            else:
                await self.take(step)
            async with self.ports.turn:
                self.seen = self.without_trouble(await look(self.gateway, self.ports))
            step = next_step(self.seen, self.policy, clock.now())
            self.ports.reporter.decided(step, self.seen, clock.now())
        if self.troubles:
            raise combine(t.error for t in self.troubles.values())
        return Outcome(result_at_rest(self.taken, step.reason), step, self.seen)

    async def take(self, step: Step) -> None:
        """Take one step under the lease; nothing is done if somebody changed things since the look."""
        if isinstance(step, Restart) and not await self.has_room(step):
            return
        try:
            async with self.ports.turn:
                await self.hold()
                await act(step, self.policy, self.ports)
        except TokenUnrecoverable as lost:
            if lost.fingerprint in self.lost:  # nothing else may be issued now: asking again is no help
                raise Unavailable(str(lost)) from lost
            self.lost[lost.fingerprint] = None  # as good as dead: another one has to be issued
            return
        except TargetFailed as trouble:
            self.troubles[trouble.target] = TargetFailure.of(trouble.error, self.ports.clock.now())
            self.ports.reporter.failed(step, trouble.error)
            return
        except KeyRegenerationFailed as trouble:
            self.leave_keys_alone(trouble)
            self.ports.reporter.failed(step, trouble.error)
            return
        except Conflict:
            self.conflicts += 1
            if self.conflicts >= MAX_CONFLICTS:
                raise Unavailable("somebody else rewrites Secret, workload or Lease all the time") from None
            return
        self.conflicts = 0
        self.count(step)
        self.taken.add(type(step))
        self.ports.reporter.done(step, self.ports.clock.now())

    def count(self, step: Step) -> None:
        """Give up for now on what does not last, whatever undoes it: no run goes on for ever."""
        self.times[step_id(step)] += 1
        if self.times[step_id(step)] >= MANY_TIMES:
            raise Unavailable(f"{' '.join(step_id(step))} was done {MANY_TIMES} times and does not last")

    async def hold(self) -> None:
        """Take the lease at the first step; until then nobody else needs to wait for us."""
        if not self.held and not await self.ports.lease.acquire(self.seen):
            raise Busy("another process is at work on this gateway")
        self.held = True

    def without_trouble(self, seen: Observation) -> Observation:
        """Mark the targets that could not be changed, so that nothing is done there, and the tokens that
        can no longer be had as dead: all else goes on.
        """
        now, seen = self.ports.clock.now(), replace(seen, signers={**seen.signers, **self.lost})
        self.troubles = {name: t for name, t in self.troubles.items() if not t.passed(now)}
        if not self.troubles:
            return seen
        said = {name: str(t.error) for name, t in self.troubles.items()}
        return replace(
            seen, targets=tuple(replace(t, excluded_because=said.get(t.name, "")) for t in seen.targets)
        )

    def leave_keys_alone(self, trouble: KeyRegenerationFailed) -> None:
        """Regenerate nothing more in this run. A call whose fate is unknown may still arrive: until then no
        token of that key is worth anything.
        """
        self.troubles[f"{trouble.key} key"] = TargetFailure(trouble.error)
        unknown = trouble.sent and isinstance(trouble.error, Unavailable)
        avoid = self.policy.avoid | ({trouble.key} if unknown else set())
        self.policy = replace(self.policy, regenerate_keys=False, avoid=avoid)

    async def has_room(self, step: Restart) -> bool:
        """Take part in the rollouts that go on at the same time; False: time has passed, look again.

        A target whose pods have nothing good to go on with waits for nobody.
        """
        now, rollouts = self.ports.clock.now(), self.ports.rollouts
        if self.rolling or not usable_previous(step.target, self.seen, self.policy, now):
            return True
        if not rollouts.locked():
            await rollouts.acquire()
            self.rolling = True
            return True
        await self.ports.clock.wait(self.room())
        return False

    async def room(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_AGAIN.total_seconds()):
                await self.ports.rollouts.acquire()
                self.rolling = True

    def leave(self) -> None:
        """Let others roll."""
        if self.rolling:
            self.rolling = False
            self.ports.rollouts.release()
