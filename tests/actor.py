"""One process's view of the model: every port, with its own clock and its own place in the lease."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from rotator.core import observation as m
from rotator.core.limits import count_restart
from rotator.core.observation import Observation, Request, UnobservedTarget
from rotator.core.records import Key, Reason, Record
from rotator.core.steps import Issue, Step
from rotator.core.verification import SignerQuery
from rotator.errors import Conflict, LeaseLost, Refused, Stopping, Unavailable
from rotator.ports import IssuedToken
from tests.world import LEASE, Crash, HotLoopError, Target, World

T, P = TypeVar("T"), ParamSpec("P")


def crossing(
    call: Callable[Concatenate[Process, P], Awaitable[T]],
) -> Callable[Concatenate[Process, P], Coroutine[Any, Any, T]]:
    """Let the world interfere right before and right after the call, as it may at every await."""

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
    patience: timedelta = timedelta(seconds=10)
    dead: bool = False
    paused: bool = False
    """Time passed since it last asked for the lease: a version is all that fences its next write."""
    committed: bool = False
    """Between its last look and regenerateKey, which nothing fences."""
    looked_at: int = 0
    stopping: bool = False
    step: Step | None = None

    def effect(self, do: Callable[[], None], *, alone: bool = True) -> None:
        """alone: only who holds the lease may do this."""
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
        """Who was killed releases nothing."""
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
        if pause := self.world.at_lease_check.pop(0, None):
            pause()
        dying = [
            h for h in self.world.tokens_in_use() if h[1].startswith(f"{key}|{self.world.generation[key]}|")
        ]
        if self.looked_at == self.world.foreign_changes:  # else a stranger acted since the last look
            assert not dying, f"I1: {key} regenerated while in use: {dying}"
        self.world.ended_keys.add((key, self.world.generation[key]))
        self.world.revoked.append(key)
        self.world.generation[key] += 1
        self.committed = False
        self.point()

    # fleet
    @crossing
    async def observe(self) -> Observation:
        w = self.world
        self.looked_at = w.foreign_changes
        up = {n: c for n, c in w.targets.items() if c.reachable}
        targets = tuple(self.see(n, c) for n, c in up.items())
        away = tuple(UnobservedTarget(n, "away", True) for n in sorted(set(w.targets) - set(up)))
        return Observation(
            targets,
            away,
            restores=w.restores,
            last_restored_at=w.last_restored_at,
            lease=str(w.lease_version),
            remembered=w.remembered,
        )

    @crossing
    async def secrets(self) -> Observation:
        return await self.observe()

    @crossing
    async def signers(self, signer_queries: Iterable[SignerQuery]) -> dict[str, Key | None]:
        w = self.world
        if not (w.azure and w.deterministic):
            return {}
        asked = [d.fingerprint for d in signer_queries]
        w.signer_queries += len(asked)
        return {v: Key(v.split("|")[0]) if w.alive(v) else None for v in asked}

    def see(self, name: str, c: Target) -> m.Target:
        w = self.world
        loads = tuple(
            m.Workload(
                n,
                d.mark,
                d.restarted_at,
                d.failed,
                tuple(
                    m.Pod(p.name, p.mark, p.started_at.replace(microsecond=0), p.works, p.name)
                    for p in d.pods
                ),
                str(d.version),
                ordered=d.ordered,
                restarts=d.restarts,
                counted_since=d.counted_since,
            )
            for n, d in c.workloads.items()
        )
        expires_at = w.expiry(c.value) if c.value else None
        return m.Target(name, c.value or None, expires_at, c.record, loads, c.request, str(c.version))

    def cluster(self, target: m.Target) -> Target:
        c = self.world.targets[target.name]
        if not c.reachable:
            raise Unavailable(target.name)
        if c.forbidden:
            raise Refused(f"{target.name} may not be written", "Grant it.")
        if str(c.version) != target.version:
            raise Conflict(target.name)
        c.version += 1
        return c

    @crossing
    async def write(self, target: m.Target, token: IssuedToken | None, record: Record) -> None:
        def do() -> None:
            c = self.cluster(target)
            if token:
                key, gen = token.value.split("|")[:2]
                assert (key, int(gen)) not in self.world.ended_keys, "I1: wrote a token that we revoked"
                c.value = token.value
                self.world.history.append(token.value)
            c.record = record
            complete = all(c.reachable for c in self.world.targets.values())
            asked_for = isinstance(self.step, Issue) and self.step.reason is Reason.REQUESTED
            if complete and asked_for and self.step.basis:  # else the answer may be where nobody can look
                basis = self.step.basis
                self.world.requested.append((basis.revision, basis.token.fingerprint, record.decision))
            if (
                record.decision.token.fingerprint not in self.world.issued
                and not record.decision.token.adopted
            ):
                self.world.issued.append(record.decision.token.fingerprint)

        self.effect(do)

    @crossing
    async def request(self, target: m.Target, request: Request) -> None:
        def do() -> None:
            self.cluster(target).request = request

        self.effect(do, alone=False)

    @crossing
    async def restart(self, target: m.Target, workload: m.Workload, template_token: str | None) -> None:
        def do() -> None:
            c = self.world.targets[target.name]
            if not c.reachable:
                raise Unavailable(target.name)
            d = c.workloads[workload.name]
            if str(d.version) != workload.version:
                raise Conflict(workload.name)
            d.restarts, d.counted_since = count_restart(workload, self.now())
            d.mark, d.restarted_at, d.version, d.failed = template_token, self.now(), d.version + 1, False
            name = f"{target.name}/{workload.name}"
            self.world.restart_times.append((name, self.world.now))
            self.world.restarts[name] = self.world.restarts.get(name, 0) + 1

        self.effect(do)

    @crossing
    async def evict(self, target: m.Target, pod: m.Pod) -> None:
        def do() -> None:
            c = self.world.targets[target.name]
            if not c.reachable:
                raise Unavailable(target.name)
            for d in c.workloads.values():
                blocked = d.ordered and pod.pod_token != d.mark
                d.pods = [
                    self.world.start(c, d, d.mark if blocked else p.mark) if p.name == pod.name else p
                    for p in d.pods
                ]

        self.effect(do)

    @crossing
    async def find(self, fingerprint: str) -> IssuedToken | None:
        for c in self.world.targets.values():
            if c.reachable and c.value == fingerprint:
                return IssuedToken(c.value, Key.PRIMARY, c.value, self.world.expiry(c.value))
        return None

    # lease
    @crossing
    async def acquire(self, seen: Observation) -> bool:
        if str(self.world.lease_version) != seen.lease:
            raise Conflict("lease")
        if self.world.leader and self.world.leader[1] > self.world.now:
            return False
        self.world.lease_version += 1
        self.world.leader = (self, self.world.now + LEASE)
        return True

    @crossing
    async def assert_held(self, lasting: timedelta = timedelta()) -> None:
        if not lasting:  # else right before regenerateKey, where nothing fences what strangers do meanwhile
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
            w = self.world
            if w.last_restored_at and w.now - w.last_restored_at > timedelta(days=2):
                w.restores = 0
            w.restores, w.last_restored_at = w.restores + 1, self.now()
            w.restore_times.append(w.now)

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

    async def changed(self, seen: Observation, within: timedelta) -> None:
        self.point()
        self.world.pass_time(within)
        if self.leads():  # renewed in the background
            self.world.leader = (self, self.world.now + LEASE)

    async def wait(self, change: Coroutine[Any, Any, None]) -> None:
        await change

    def decided(self, step: Step, seen: Observation, now: datetime) -> None:
        self.step = step
        self.world.steps.append(step)
        self.taken += 1
        self.pause()
        if self.taken > 600:
            raise HotLoopError([type(a).__name__ for a in self.world.steps[-12:]])

    def failed(self, step: Step, error: Exception) -> None:
        pass

    def done(self, step: Step, now: datetime) -> None:
        pass

    def now(self) -> datetime:
        return self.world.now + self.skew
