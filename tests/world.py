"""A small model of Azure and Kubernetes, in which keys, tokens and pods behave as the real ones."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from rotator.core import seen as m
from rotator.core.evidence import Doubt
from rotator.core.hours import Hours
from rotator.core.policy import Policy
from rotator.core.records import Record
from rotator.core.restraint import count_restart
from rotator.core.seen import Absent, Observed, Request
from rotator.core.steps import Issue, RollBack, Step
from rotator.core.words import Key
from rotator.errors import Conflict, LeaseLost, Refused, Unavailable
from rotator.ports import IssuedToken
from rotator.rotation import Gateway, Ports, Signers

T = TypeVar("T")

START = datetime(2026, 1, 1, tzinfo=UTC)
LEASE = timedelta(minutes=5)


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits for anything real; may be nested."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("the world never makes anybody wait")


class Crash(BaseException):
    """The process dies here."""


class HotLoopError(AssertionError):
    """A run that takes steps for ever."""


@dataclass
class Pod:
    name: str
    mark: str | None
    token: str
    started_at: datetime
    works: bool


@dataclass
class Workload:
    mark: str | None
    pods: list[Pod]
    restarted_at: datetime | None = None
    restarts: int = 0
    counted_since: datetime | None = None
    stuck: bool = False
    ordered: bool = False
    version: int = 0


@dataclass
class Cluster:
    value: str
    workloads: dict[str, Workload]
    record: Record | None = None
    request: Request | None = None
    version: int = 0
    reachable: bool = True
    forbidden: bool = False


@dataclass
class World:
    clusters: dict[str, Cluster] = field(default_factory=dict)
    replicas: int = 2
    now: datetime = START
    generation: dict[Key, int] = field(default_factory=lambda: dict.fromkeys(Key, 0))
    killed: set[tuple[str, int]] = field(default_factory=set)
    azure: bool = True
    deterministic: bool = True
    open_window: bool = True
    leader: tuple[object, datetime] | None = None
    lease_version: int = 0
    proof_age: timedelta = timedelta()
    revocable: bool = True
    remembered: frozenset[Key] = frozenset()
    repairs: int = 0
    repaired_at: datetime | None = None
    serial: int = 0
    points: int = 0
    schedule: dict[int, list[Callable[[], None]]] = field(default_factory=dict)
    checks: int = 0
    asked: int = 0
    pauses: dict[int, Callable[[], None]] = field(default_factory=dict)
    late: list[str] = field(default_factory=list)
    issued: list[str] = field(default_factory=list)
    acts: list[Step] = field(default_factory=list)
    restarts: dict[str, int] = field(default_factory=dict)

    # tokens
    def mint(self, key: Key, expires: datetime) -> str:
        self.serial += 1
        nonce = "" if self.deterministic else f"|{self.serial}"
        return f"{key}|{self.generation[key]}|{expires:%Y%m%d%H%M}{nonce}"

    def expiry(self, value: str) -> datetime:
        return datetime.strptime(value.split("|")[2], "%Y%m%d%H%M").replace(tzinfo=UTC)

    def alive(self, value: str) -> bool:
        key, gen = value.split("|")[:2]
        return self.generation[Key(key)] == int(gen)

    def good(self, value: str) -> bool:
        return self.alive(value) and self.expiry(value) > self.now

    def held(self) -> list[tuple[str, str]]:
        """Every token anywhere, with who holds it."""
        secrets = [(name, c.value) for name, c in self.clusters.items()]
        pods = [
            (p.name, p.token) for c in self.clusters.values() for w in c.workloads.values() for p in w.pods
        ]
        return secrets + pods

    # what happens by itself
    def boot(self, name: str, value: str, workloads: int = 1) -> None:
        c = Cluster(value, {})
        self.clusters[name] = c
        for i in range(workloads):
            c.workloads[f"w{i}"] = w = Workload(None, [])
            w.pods = [self.start(c, w, None) for _ in range(self.replicas)]

    def start(self, c: Cluster, w: Workload, mark: str | None) -> Pod:
        self.serial += 1
        return Pod(f"pod{self.serial}", mark, c.value, self.now, self.good(c.value) and not w.stuck)

    def evict(self, c: Cluster, w: Workload, name: str) -> None:
        """A container restarts or its ReplicaSet replaces it: same template, Secret of today."""
        w.pods = [self.start(c, w, p.mark) if p.name == name else p for p in w.pods]

    def pass_time(self, by: timedelta) -> None:
        end = self.now + by
        while self.now < end:
            self.now += min(timedelta(seconds=60), end - self.now) if by < timedelta(hours=2) else by
            for c in self.clusters.values():
                for w in c.workloads.values():
                    for _ in range(1 if by < timedelta(hours=2) else 20):
                        self.tick(c, w)

    def tick(self, c: Cluster, w: Workload) -> None:
        """The rollout takes one step; old pods leave only when new ones work."""
        old = [p for p in w.pods if p.mark != w.mark]
        new = [p for p in w.pods if p.mark == w.mark]
        if broken := [p for p in old if not p.works]:
            if not w.ordered:  # else its controller waits for the pod, for ever
                w.pods.remove(broken[0])
        elif waiting := [p for p in new if not p.works]:
            self.evict(c, w, waiting[0].name)  # CrashLoopBackOff: reads the Secret anew
        elif len(new) < self.replicas and len(w.pods) <= self.replicas:
            w.pods.append(self.start(c, w, w.mark))
        elif old and len(w.pods) > self.replicas:
            w.pods.remove(old[0])
        elif len(w.pods) > self.replicas:
            w.pods.pop()

    # how processes get at it
    def point(self) -> None:
        self.points += 1
        for event in self.schedule.pop(self.points, []):
            event()

    def gateway(self, policy: Policy, name: str = "gw1") -> Gateway:
        return Gateway(name, policy, self.hours)

    def hours(self, _: datetime) -> Hours:
        return Hours(self.open_window, None, "" if self.open_window else "outside its maintenance windows")

    def process(self, skew: timedelta = timedelta()) -> Ports:
        p = Process(self, skew)
        return Ports(p, Signers(p, self.proof_age, self.now), p, p, p, p, p, p)


@dataclass(eq=False)
class Process:
    """One process's view of the world: every port, with its own place in the lease."""

    w: World
    skew: timedelta = timedelta()
    taken: int = 0
    patience: timedelta = timedelta(seconds=10)

    def effect(self, do: Callable[[], None]) -> None:
        self.w.point()
        do()
        if not self.leads():
            self.w.late.append(do.__qualname__)
        self.w.point()

    def leads(self) -> bool:
        return bool(self.w.leader and self.w.leader[0] is self and self.w.leader[1] > self.w.now)

    # issuer
    async def issue(self, key: Key, expires_at: datetime) -> IssuedToken:
        if not self.w.azure:
            raise Unavailable("azure")
        out: list[str] = []
        self.effect(lambda: out.append(self.w.mint(key, expires_at)))
        return IssuedToken(out[0], key, out[0], self.w.expiry(out[0]))

    async def regenerate(self, key: Key) -> None:
        if not self.w.azure:
            raise Unavailable("azure")
        if not self.w.revocable:
            raise Refused("not allowed", "Grant it.")
        if pause := self.w.pauses.pop(0, None):
            pause()
        dying = [h for h in self.w.held() if h[1].startswith(f"{key}|{self.w.generation[key]}|")]
        assert not dying, f"I1: {key} regenerated while in use: {dying}"
        self.w.killed.add((key, self.w.generation[key]))
        self.w.generation[key] += 1
        self.w.point()

    # fleet
    async def observe(self) -> Observed:
        w = self.w
        up = {n: c for n, c in w.clusters.items() if c.reachable}
        targets = tuple(self.see(n, c) for n, c in up.items())
        away = tuple(Absent(n, "away", True) for n in sorted(set(w.clusters) - set(up)))
        return Observed(
            targets,
            away,
            repairs=w.repairs,
            repaired_at=w.repaired_at,
            lease=str(w.lease_version),
            remembered=w.remembered,
        )

    async def secrets(self) -> Observed:
        return await self.observe()

    async def signers(self, doubts: Iterable[Doubt]) -> dict[str, Key | None]:
        w = self.w
        if not (w.azure and w.deterministic):
            return {}
        asked = [d.fingerprint for d in doubts]
        w.asked += len(asked)
        return {v: Key(v.split("|")[0]) if w.alive(v) else None for v in asked}

    def see(self, name: str, c: Cluster) -> m.Target:
        w = self.w
        loads = tuple(
            m.Workload(
                n,
                d.mark,
                d.restarted_at,
                False,
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
        return m.Target(name, c.value, w.expiry(c.value), c.record, loads, c.request, str(c.version))

    def cluster(self, target: m.Target) -> Cluster:
        c = self.w.clusters[target.name]
        if not c.reachable:
            raise Unavailable(target.name)
        if c.forbidden:
            raise Refused(f"{target.name} may not be written", "Grant it.")
        if str(c.version) != target.version:
            raise Conflict(target.name)
        c.version += 1
        return c

    async def write(self, target: m.Target, token: IssuedToken | None, record: Record) -> None:
        def do() -> None:
            c = self.cluster(target)
            if token:
                key, gen = token.value.split("|")[:2]
                assert (key, int(gen)) not in self.w.killed, "I1: wrote a token that we revoked"
                c.value = token.value
            c.record = record
            if record.decision.token.fingerprint not in self.w.issued and not record.decision.token.adopted:
                self.w.issued.append(record.decision.token.fingerprint)

        self.effect(do)

    async def request(self, target: m.Target, request: Request) -> None:
        def do() -> None:
            self.cluster(target).request = request

        self.effect(do)

    async def restart(self, target: m.Target, workload: m.Workload, mark: str | None) -> None:
        def do() -> None:
            c = self.w.clusters[target.name]
            if not c.reachable:
                raise Unavailable(target.name)
            d = c.workloads[workload.name]
            if str(d.version) != workload.version:
                raise Conflict(workload.name)
            d.restarts, d.counted_since = count_restart(workload, self.now())
            d.mark, d.restarted_at, d.version = mark, self.now(), d.version + 1
            name = f"{target.name}/{workload.name}"
            self.w.restarts[name] = self.w.restarts.get(name, 0) + 1

        self.effect(do)

    async def evict(self, target: m.Target, pod: m.Pod) -> None:
        def do() -> None:
            c = self.w.clusters[target.name]
            for d in c.workloads.values():
                blocked = d.ordered and pod.mark != d.mark
                d.pods = [
                    self.w.start(c, d, d.mark if blocked else p.mark) if p.name == pod.name else p
                    for p in d.pods
                ]

        self.effect(do)

    async def find(self, fingerprint: str) -> IssuedToken | None:
        for c in self.w.clusters.values():
            if c.reachable and c.value == fingerprint:
                return IssuedToken(c.value, Key.PRIMARY, c.value, self.w.expiry(c.value))
        return None

    # lease
    async def acquire(self, seen: Observed) -> bool:
        if str(self.w.lease_version) != seen.lease:
            raise Conflict("lease")
        if self.w.leader and self.w.leader[1] > self.w.now:
            return False
        self.w.lease_version += 1
        self.w.leader = (self, self.w.now + LEASE)
        return True

    async def assert_held(self, lasting: timedelta = timedelta()) -> None:
        if not lasting:  # else right before regenerateKey, where nothing fences what strangers do meanwhile
            self.w.point()
        self.pause()
        if not self.leads():
            raise LeaseLost
        self.w.leader = (self, self.w.now + LEASE)

    def pause(self) -> None:
        self.w.checks += 1
        if pause := self.w.pauses.pop(self.w.checks, None):
            pause()

    async def condemn(self, keys: frozenset[Key]) -> None:
        def do() -> None:
            self.w.remembered = keys

        if keys != self.w.remembered:
            self.effect(do)

    async def count_repair(self) -> None:
        def do() -> None:
            w = self.w
            if w.repaired_at and w.now - w.repaired_at > timedelta(days=2):
                w.repairs = 0
            w.repairs, w.repaired_at = w.repairs + 1, self.now()

        self.effect(do)

    async def release(self) -> None:
        if self.w.leader and self.w.leader[0] is self:
            self.w.leader = None
            self.w.lease_version += 1

    # clock and reporter
    def checkpoint(self) -> None:
        pass

    async def changed(self, seen: Observed, within: timedelta) -> None:
        self.w.point()
        self.w.pass_time(within)
        if self.leads():  # renewed in the background
            self.w.leader = (self, self.w.now + LEASE)

    async def wait(self, change: Coroutine[Any, Any, None]) -> None:
        await change

    def decided(self, step: Step, seen: Observed, now: datetime) -> None:
        self.w.acts.append(step)
        self.taken += 1
        self.pause()
        if self.taken > 400:
            raise HotLoopError([type(a).__name__ for a in self.w.acts[-12:]])

    def failed(self, step: Step, error: Exception) -> None:
        pass

    def done(self, step: Step, now: datetime) -> None:
        pass

    def now(self) -> datetime:
        return self.w.now + self.skew


def count(w: World, kind: type[Issue | RollBack]) -> int:
    return sum(isinstance(s, kind) for s in w.acts)
