"""One process's view of the model: every port, with its own clock and its own place in the lease."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from rotator.core import observation
from rotator.core.limits import count_restart
from rotator.core.observation import Observation, Request, UnobservedTarget
from rotator.core.records import Key, Reason, Record
from rotator.core.signing import SignerQuery
from rotator.core.steps import Issue, Step
from rotator.errors import Conflict, LeaseLost, Refused, Stopping, Unavailable
from rotator.ports import IssuedToken
from tests.world import LEASE, Crash, HotLoopError, Target, World

T, P = TypeVar("T"), ParamSpec("P")


def crossing(
    call: Callable[Concatenate[Process, P], Awaitable[T]],
) -> Callable[Concatenate[Process, P], Coroutine[Any, Any, T]]:
    """Let the test act right before and right after the call, as other processes may at every await."""

    @wraps(call)
    async def crossed(self: Process, *args: P.args, **kwargs: P.kwargs) -> T:
        self.cross(call.__name__, after=False)
        result = await call(self, *args, **kwargs)
        self.cross(call.__name__, after=True)
        return result

    return crossed


@dataclass(eq=False)
class Process:
    """One process's view of the world: every port, with its own place in the lease."""

    world: World
    skew: timedelta = timedelta()
    taken: int = 0
    call_timeout: timedelta = timedelta(seconds=10)
    dead: bool = False
    paused: bool = False
    """Time passed since it last asked for the lease: a version is all that fences its next write."""
    committed: bool = False
    """Between its last look and regenerateKey, which nothing fences."""
    looked_at: int = 0
    stopping: bool = False
    step: Step | None = None

    def effect(self, do: Callable[[], None], *, alone: bool = True) -> None:
        """alone: only the holder of the lease may do this."""
        self.point()
        do()
        if alone and not self.leads() and not self.paused:
            self.world.effects_without_lease.append(do.__qualname__)
        self.point()

    def point(self) -> None:
        with self.mortal():
            self.world.point()

    def cross(self, call: str, after: bool) -> None:
        if self.world.at_call:
            with self.mortal():
                self.world.at_call(self, call, after)

    @contextmanager
    def mortal(self) -> Iterator[None]:
        """A process that was killed releases nothing."""
        try:
            yield
        except Crash:
            self.dead = True
            raise

    def leads(self) -> bool:
        return bool(
            self.world.leader and self.world.leader[0] is self and self.world.leader[1] > self.world.now
        )

    # issuer
    @crossing
    async def issue(self, key: Key, expires_at: datetime) -> IssuedToken:
        if not self.world.azure:
            raise Unavailable("azure")
        out: list[str] = []
        self.effect(lambda: out.append(self.world.mint(key, expires_at)))
        return IssuedToken(out[0], key, out[0], self.world.expiry(out[0]))

    @crossing
    async def regenerate(self, key: Key) -> None:
        if not self.world.azure:
            raise Unavailable("azure")
        if not self.world.revocable:
            raise Refused("not allowed", "Grant it.")
        ended = f"{key}|{self.world.generation[key]}|"
        dying = [(holder, token) for holder, token in self.world.tokens_in_use() if token.startswith(ended)]
        if self.looked_at == self.world.foreign_changes:  # else another writer acted since the last look
            assert not dying, f"I1: {key} regenerated while in use: {dying}"
        self.world.ended_keys.add((key, self.world.generation[key]))
        self.world.revoked.append(key)
        self.world.generation[key] += 1
        self.committed = False
        self.point()

    # the target store
    @crossing
    async def observe(self) -> Observation:
        world = self.world
        self.looked_at = world.foreign_changes
        reachable = {name: target for name, target in world.targets.items() if target.reachable}
        targets = tuple(self.observe_target(name, target) for name, target in reachable.items())
        missing = sorted(set(world.targets) - set(reachable))
        return Observation(
            targets,
            tuple(UnobservedTarget(name, "away", True) for name in missing),
            restores=world.restores,
            last_restored_at=world.last_restored_at,
            lease=str(world.lease_version),
            remembered=world.remembered,
        )

    @crossing
    async def secrets(self) -> Observation:
        return await self.observe()

    @crossing
    async def signers(self, signer_queries: Iterable[SignerQuery]) -> dict[str, Key | None]:
        world = self.world
        if not (world.azure and world.deterministic):
            return {}
        fingerprints = [query.fingerprint for query in signer_queries]
        world.signer_queries += len(fingerprints)
        return {token: Key(token.split("|")[0]) if world.alive(token) else None for token in fingerprints}

    def observe_target(self, name: str, target: Target) -> observation.Target:
        workloads = tuple(
            observation.Workload(
                name,
                workload.template_token,
                workload.restarted_at,
                workload.failed,
                tuple(
                    observation.Pod(
                        pod.name, pod.pod_token, pod.started_at.replace(microsecond=0), pod.works, pod.name
                    )
                    for pod in workload.pods
                ),
                str(workload.version),
                ordered=workload.ordered,
                restarts=workload.restarts,
                counted_since=workload.counted_since,
            )
            for name, workload in target.workloads.items()
        )
        expires_at = self.world.expiry(target.value) if target.value else None
        return observation.Target(
            name,
            target.value or None,
            expires_at,
            target.record,
            workloads,
            target.request,
            str(target.version),
        )

    def reachable(self, target: observation.Target) -> Target:
        actual = self.world.targets[target.name]
        if not actual.reachable:
            raise Unavailable(target.name)
        return actual

    def writable(self, target: observation.Target) -> Target:
        """Return the target for a write, which is fenced by the version that was observed."""
        actual = self.reachable(target)
        if actual.forbidden:
            raise Refused(f"{target.name} may not be written", "Grant it.")
        if str(actual.version) != target.version:
            raise Conflict(target.name)
        actual.version += 1
        return actual

    @crossing
    async def write(self, target: observation.Target, token: IssuedToken | None, record: Record) -> None:
        def do() -> None:
            actual = self.writable(target)
            if token:
                key, gen = token.value.split("|")[:2]
                assert (key, int(gen)) not in self.world.ended_keys, "I1: wrote a token that we revoked"
                actual.value = token.value
                self.world.history.append(token.value)
            actual.record = record
            complete = all(each.reachable for each in self.world.targets.values())
            asked_for = isinstance(self.step, Issue) and self.step.reason is Reason.REQUESTED
            # else the answer may be on a target that cannot be observed
            if complete and asked_for and self.step.basis:
                basis = self.step.basis
                self.world.requested.append((basis.revision, basis.token.fingerprint, record.decision))
            new = record.decision.token
            if new.fingerprint not in self.world.issued and not new.adopted:
                self.world.issued.append(new.fingerprint)

        self.effect(do)

    @crossing
    async def request(self, target: observation.Target, request: Request) -> None:
        def do() -> None:
            self.writable(target).request = request

        self.effect(do, alone=False)

    @crossing
    async def restart(
        self, target: observation.Target, workload: observation.Workload, template_token: str | None
    ) -> None:
        def do() -> None:
            actual = self.reachable(target).workloads[workload.name]
            if str(actual.version) != workload.version:
                raise Conflict(workload.name)
            actual.restarts, actual.counted_since = count_restart(workload, self.now())
            actual.template_token, actual.restarted_at = template_token, self.now()
            actual.version, actual.failed = actual.version + 1, False
            name = f"{target.name}/{workload.name}"
            self.world.restart_times.append((name, self.world.now))
            self.world.restarts[name] = self.world.restarts.get(name, 0) + 1

        self.effect(do)

    @crossing
    async def evict(self, target: observation.Target, pod: observation.Pod) -> None:
        def do() -> None:
            actual = self.reachable(target)
            for workload in actual.workloads.values():
                blocked = workload.ordered and pod.pod_token != workload.template_token
                workload.pods = [
                    self.world.start(actual, workload, workload.template_token if blocked else each.pod_token)
                    if each.name == pod.name
                    else each
                    for each in workload.pods
                ]

        self.effect(do)

    @crossing
    async def find(self, fingerprint: str) -> IssuedToken | None:
        for target in self.world.targets.values():
            if target.reachable and target.value == fingerprint:
                return IssuedToken(fingerprint, Key.PRIMARY, fingerprint, self.world.expiry(fingerprint))
        return None

    # lease
    @crossing
    async def acquire(self, observation: Observation) -> bool:
        if str(self.world.lease_version) != observation.lease:
            raise Conflict("lease")
        if self.world.leader and self.world.leader[1] > self.world.now:
            return False
        self.world.lease_version += 1
        self.world.leader = (self, self.world.now + LEASE)
        return True

    @crossing
    async def assert_held(self, lasting: timedelta = timedelta()) -> None:
        if (
            not lasting
        ):  # else right before regenerateKey, where nothing fences what other writers do meanwhile
            self.point()
        self.pause()
        if not self.leads():
            raise LeaseLost
        self.paused, self.committed = False, bool(lasting)
        self.world.leader = (self, self.world.now + LEASE)

    def pause(self) -> None:
        self.world.lease_checks += 1
        if pause := self.world.at_lease_check.pop(self.world.lease_checks, None):
            pause()

    @crossing
    async def condemn(self, keys: frozenset[Key]) -> None:
        def do() -> None:
            self.world.remembered = keys

        if keys != self.world.remembered:
            self.effect(do)

    @crossing
    async def count_restore(self) -> None:
        def do() -> None:
            world = self.world
            if world.last_restored_at and world.now - world.last_restored_at > timedelta(days=2):
                world.restores = 0
            world.restores, world.last_restored_at = world.restores + 1, self.now()
            world.restore_times.append(world.now)

        self.effect(do)

    @crossing
    async def release(self) -> None:
        if not self.dead and self.world.leader and self.world.leader[0] is self:
            self.world.leader = None
            self.world.lease_version += 1

    # clock and reporter
    def checkpoint(self) -> None:
        if self.stopping:
            raise Stopping

    async def changed(self, observation: Observation, within: timedelta) -> None:
        self.point()
        self.world.pass_time(within)
        if self.leads():  # renewed in the background
            self.world.leader = (self, self.world.now + LEASE)

    async def wait(self, change: Coroutine[Any, Any, None]) -> None:
        await change

    def decided(self, step: Step, observation: Observation, now: datetime) -> None:
        self.step = step
        self.world.steps.append(step)
        self.taken += 1
        self.pause()
        if self.taken > 600:
            raise HotLoopError([type(each).__name__ for each in self.world.steps[-12:]])

    def failed(self, step: Step, error: Exception) -> None:
        pass

    def done(self, step: Step, now: datetime) -> None:
        pass

    def now(self) -> datetime:
        return self.world.now + self.skew
