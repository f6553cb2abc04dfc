"""One run of a rotation: observe, decide, act, until there is nothing to do."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from rotator.core.checks import usable_previous
from rotator.core.observation import Observation
from rotator.core.plan import next_step
from rotator.core.records import Key
from rotator.core.revocation import needs_proof
from rotator.core.run_result import result_at_rest
from rotator.core.situation import Situation
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

LOOK_INTERVAL = timedelta(seconds=60)
"""How long a run waits for a change while a rollout goes on, before it observes without one."""
MAX_CONFLICTS = 20
"""Abort the run after this many steps in a row met a conflict."""
MAX_REPEATS = 20
"""Abort the run after the same step was repeated this many times."""


async def rotate(gateway: Gateway, ports: Ports) -> Outcome:
    """Bring gateway to rest.

    Safe to call at any time, any number of times, and after a crash anywhere in an earlier call. A
    gateway that needs nothing is left alone, and its Lease is not touched.

    Raises:
        Unavailable: Azure or the cluster did not answer; what was done so far is on the objects.
        Refused: the operator has to change something first.
        Busy: another process acts on the gateway.
        LeaseLost: another process took over.
        Stopping: the process is shutting down.
    """
    async with ports.turn:
        observation = await observe(gateway, ports)
    now = ports.clock.now()
    step = next_step(Situation(observation, gateway.policy, now))
    ports.reporter.decided(step, observation, ports.clock.now())
    run = Run(gateway, ports, observation)
    try:
        return await run.to_rest(step)
    finally:
        run.leave_rollouts()
        await ports.lease.release()


async def observe(gateway: Gateway, ports: Ports) -> Observation:
    """Return everything that a decision may rest on."""
    observation = await ports.store.observe()
    now = ports.clock.now()
    signers = await ports.signers.of(observation, now)
    observation = replace(observation, signers=signers, window=gateway.window(now))
    if needs_proof(Situation(observation, gateway.policy, now)):
        signers = await ports.signers.of(observation, now, hints=False)
        observation = replace(observation, signers=signers)
    return observation


class Run:
    """The loop, and what failed in this run. Every step follows from the latest observation alone."""

    def __init__(self, gateway: Gateway, ports: Ports, observation: Observation) -> None:
        self.gateway = gateway
        self.policy = gateway.policy
        self.ports = ports
        self.observation = observation
        self.taken: set[type[Step]] = set()
        self.failures: dict[str, TargetFailure] = {}
        self.unrecoverable: dict[str, Key | None] = {}
        self.holds_lease = False
        self.rolling = False
        self.conflicts = 0
        self.repeats: Counter[tuple[str, ...]] = Counter()

    def situation(self) -> Situation:
        return Situation(self.observation, self.policy, self.ports.clock.now())

    async def to_rest(self, step: Step) -> Outcome:
        """Take step and all that follow. Raises at the end if a target or a key failed."""
        clock = self.ports.clock
        while not isinstance(step, Rest):
            clock.checkpoint()
            if isinstance(step, Await):
                self.taken.add(Await)
                within = min(LOOK_INTERVAL, self.policy.rollout_timeout)
                await clock.wait(self.ports.store.changed(self.observation, within))
            else:
                await self.take(step)
            async with self.ports.turn:
                self.observation = self.without_failures(await observe(self.gateway, self.ports))
            step = next_step(self.situation())
            self.ports.reporter.decided(step, self.observation, clock.now())
        if self.failures:
            raise combine(failure.error for failure in self.failures.values())
        return Outcome(result_at_rest(self.taken, step.reason), step, self.observation)

    async def take(self, step: Step) -> None:
        """Take one step under the Lease. Nothing is done if something changed since the observation."""
        if isinstance(step, Restart) and not await self.may_roll(step):
            return
        try:
            async with self.ports.turn:
                await self.hold_lease()
                await act(step, self.policy, self.ports)
        except TokenUnrecoverable as error:
            if error.fingerprint in self.unrecoverable:  # No other token may be issued now: try later.
                raise Unavailable(str(error)) from error
            self.unrecoverable[error.fingerprint] = None  # Counts as dead: another one has to be issued.
            return
        except TargetFailed as failed:
            self.failures[failed.target] = TargetFailure.of(failed.error, self.ports.clock.now())
            self.ports.reporter.failed(step, failed.error)
            return
        except KeyRegenerationFailed as failed:
            self.regenerate_no_more(failed)
            self.ports.reporter.failed(step, failed.error)
            return
        except Conflict:
            self.conflicts += 1
            if self.conflicts >= MAX_CONFLICTS:
                what = f"{describe(step)} met a conflict {MAX_CONFLICTS} times in a row"
                raise Unavailable(
                    f"gave up: {what}; another writer keeps changing a Secret, a workload or the Lease"
                ) from None
            return
        self.conflicts = 0
        self.count(step)
        self.taken.add(type(step))
        self.ports.reporter.done(step, self.ports.clock.now())

    def count(self, step: Step) -> None:
        """Abort the run if another controller undoes step again and again."""
        self.repeats[step_id(step)] += 1
        if self.repeats[step_id(step)] >= MAX_REPEATS:
            undone = f"{describe(step)} was undone {MAX_REPEATS} times in this run"
            raise Unavailable(f"gave up: {undone}; another controller probably reverts it")

    async def hold_lease(self) -> None:
        """Take the Lease at the first step; until then no other process has to wait."""
        if not self.holds_lease and not await self.ports.lease.acquire(self.observation):
            raise Busy("another process works on this gateway")
        self.holds_lease = True

    def without_failures(self, observation: Observation) -> Observation:
        """Return observation with the targets that failed excluded, and with the tokens that cannot be
        recovered as dead.
        """
        now = self.ports.clock.now()
        observation = replace(observation, signers={**observation.signers, **self.unrecoverable})
        self.failures = {name: f for name, f in self.failures.items() if not f.passed(now)}
        if not self.failures:
            return observation
        because = {name: str(f.error) for name, f in self.failures.items()}
        targets = tuple(replace(t, excluded_because=because.get(t.name, "")) for t in observation.targets)
        return replace(observation, targets=targets)

    def regenerate_no_more(self, failed: KeyRegenerationFailed) -> None:
        """Regenerate no key for the rest of the run. A call whose outcome is unknown may still arrive: until
        then no token of that key is issued.
        """
        self.failures[f"{failed.key} key"] = TargetFailure(failed.error)
        unknown = failed.sent and isinstance(failed.error, Unavailable)
        avoid = self.policy.avoid | ({failed.key} if unknown else set())
        self.policy = replace(self.policy, regenerate_keys=False, avoid=avoid)

    async def may_roll(self, step: Restart) -> bool:
        """Take one of the concurrent rollouts. False: time has passed meanwhile, observe again.

        A target whose pods cannot go on with their previous token does not wait.
        """
        rollouts = self.ports.rollouts
        if self.rolling or not usable_previous(step.target, self.situation()):
            return True
        if not rollouts.locked():
            await rollouts.acquire()
            self.rolling = True
            return True
        await self.ports.clock.wait(self.wait_for_rollouts())
        return False

    async def wait_for_rollouts(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_INTERVAL.total_seconds()):
                await self.ports.rollouts.acquire()
                self.rolling = True

    def leave_rollouts(self) -> None:
        """Let another gateway roll over."""
        if self.rolling:
            self.rolling = False
            self.ports.rollouts.release()


def describe(step: Step) -> str:
    """Return the step's kind and what it changes: `Restart of deployment/gw in apim/gateway`."""
    kind, *names = step_id(step)
    return f"{kind} of {names[1]} in {names[0]}" if len(names) > 1 else " of ".join([kind, *names])
