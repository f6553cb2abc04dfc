"""A small model of Azure and Kubernetes, in which keys, tokens and pods behave as the real ones."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from rotator.core.observation import MaintenanceWindow, Request
from rotator.core.policy import Policy
from rotator.core.records import Decision, Key, Record
from rotator.core.steps import Issue, RollBack, Step
from rotator.rotation import Gateway, Ports, SignerCache

if TYPE_CHECKING:
    from tests.actor import Process

T = TypeVar("T")

START = datetime(2026, 1, 1, tzinfo=UTC)
LEASE = timedelta(minutes=5)


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits for anything real; may be nested."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("the coroutine waits for something real")


class Crash(BaseException):
    """The process dies here."""


class HotLoopError(AssertionError):
    """A run that takes steps for ever."""


@cache
def ends_at(value: str) -> datetime:
    """Return when a token of this model expires."""
    return datetime.strptime(value.split("|")[2], "%Y%m%d%H%M").replace(tzinfo=UTC) if value else START


@dataclass
class Pod:
    name: str
    pod_token: str | None
    """The token that its template named when it was created."""
    token: str
    """The token that it read from the Secret, and runs."""
    started_at: datetime
    works: bool


@dataclass
class Workload:
    template_token: str | None
    pods: list[Pod]
    restarted_at: datetime | None = None
    restarts: int = 0
    counted_since: datetime | None = None
    stuck: bool = False
    failed: bool = False
    ordered: bool = False
    version: int = 0
    owned: tuple[str | None] | None = None
    """The template token that a GitOps tool sets back whenever it differs."""

    def rolled_out(self, replicas: int) -> bool:
        return len(self.pods) == replicas and all(
            pod.works and pod.pod_token == self.template_token for pod in self.pods
        )


@dataclass
class Target:
    value: str
    workloads: dict[str, Workload]
    record: Record | None = None
    request: Request | None = None
    version: int = 0
    reachable: bool = True
    owned: str | None = None
    """The value to which a GitOps tool sets the Secret back whenever it differs."""
    forbidden: bool = False

    def overwrite(self, value: str) -> None:
        """Another writer sets the Secret to this value."""
        self.value, self.version = value, self.version + 1


@dataclass
class Time:
    """The true time of day, and everything that lives in it."""

    now: datetime = START
    worlds: list[World] = field(default_factory=list)


@dataclass
class World:
    """One gateway's part of Azure and Kubernetes. Several may share one `time`."""

    time: Time = field(default_factory=Time)
    targets: dict[str, Target] = field(default_factory=dict)
    replicas: int = 2
    generation: dict[Key, int] = field(default_factory=lambda: dict.fromkeys(Key, 0))
    ended_keys: set[tuple[str, int]] = field(default_factory=set)
    azure: bool = True
    deterministic: bool = True
    open_window: bool = True
    leader: tuple[object, datetime] | None = None
    lease_version: int = 0
    proof_age: timedelta = timedelta()
    revocable: bool = True
    remembered: frozenset[Key] = frozenset()
    restores: int = 0
    last_restored_at: datetime | None = None
    serial: int = 0
    points: int = 0
    schedule: dict[int, list[Callable[[], None]]] = field(default_factory=dict)
    lease_checks: int = 0
    signer_queries: int = 0
    at_lease_check: dict[int, Callable[[], None]] = field(default_factory=dict)
    effects_without_lease: list[str] = field(default_factory=list)
    issued: list[str] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    restarts: dict[str, int] = field(default_factory=dict)
    at_call: Callable[[Process, str, bool], None] | None = None
    foreign_changes: int = 0
    annotations_lost: bool = False
    """Whether another writer ever removed our annotations from a Secret."""
    history: list[str] = field(default_factory=list)
    requested: list[tuple[int, str, Decision]] = field(default_factory=list)
    revoked: list[Key] = field(default_factory=list)
    restart_times: list[tuple[str, datetime]] = field(default_factory=list)
    restore_times: list[datetime] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.time.worlds.append(self)

    @property
    def now(self) -> datetime:
        return self.time.now

    @now.setter
    def now(self, now: datetime) -> None:
        self.time.now = now

    # tokens
    def mint(self, key: Key, expires: datetime) -> str:
        self.serial += 1
        nonce = "" if self.deterministic else f"|{self.serial}"
        return f"{key}|{self.generation[key]}|{expires:%Y%m%d%H%M}{nonce}"

    def expiry(self, value: str) -> datetime:
        return ends_at(value)

    def alive(self, value: str) -> bool:
        if not value:
            return False
        key, gen = value.split("|")[:2]
        return self.generation[Key(key)] == int(gen)

    def usable(self, value: str) -> bool:
        return self.alive(value) and self.expiry(value) > self.now

    def tokens_in_use(self) -> list[tuple[str, str]]:
        """Every token anywhere, with who holds it."""
        secrets = [(name, target.value) for name, target in self.targets.items()]
        pods = [
            (pod.name, pod.token)
            for target in self.targets.values()
            for workload in target.workloads.values()
            for pod in workload.pods
        ]
        return secrets + pods

    # what happens by itself
    def deploy(self, name: str, value: str, workloads: int = 1) -> None:
        target = Target(value, {})
        self.history.append(value)
        self.targets[name] = target
        for i in range(workloads):
            target.workloads[f"w{i}"] = workload = Workload(None, [])
            workload.pods = [self.start(target, workload, None) for _ in range(self.replicas)]

    def join(self, name: str, how: str, workloads: int = 1) -> None:
        """One more target, whose pods run something else: another token, an expired one, or none."""
        life = timedelta(days=-1) if how == "expired" else timedelta(days=20)
        self.deploy(name, "" if how == "empty" else self.mint(Key.SECONDARY, self.now + life), workloads)
        for workload in self.targets[name].workloads.values():
            for pod in workload.pods:
                pod.works = bool(pod.token)  # a gateway keeps serving what it has when its token expires

    def start(self, target: Target, workload: Workload, pod_token: str | None) -> Pod:
        self.serial += 1
        return Pod(
            f"pod{self.serial}",
            pod_token,
            target.value,
            self.now,
            self.usable(target.value) and not workload.stuck,
        )

    def evict(self, target: Target, workload: Workload, name: str) -> None:
        """A container restarts or its ReplicaSet replaces it: same template, Secret of today."""
        workload.pods = [
            self.start(target, workload, pod.pod_token) if pod.name == name else pod for pod in workload.pods
        ]

    def pass_time(self, by: timedelta) -> None:
        end = self.now + by
        while self.now < end:
            self.now += min(timedelta(seconds=60), end - self.now) if by < timedelta(hours=2) else by
            for world in self.time.worlds:
                world.progress(1 if by < timedelta(hours=2) else 20)

    def progress(self, ticks: int) -> None:
        """What happens by itself: GitOps tools set back what they own, rollouts go on."""
        for target in self.targets.values():
            if target.owned is not None and target.value != target.owned:
                target.value, target.version, self.foreign_changes = (
                    target.owned,
                    target.version + 1,
                    self.foreign_changes + 1,
                )
            for workload in target.workloads.values():
                if workload.owned and workload.template_token != workload.owned[0]:
                    workload.template_token, workload.version, workload.failed = (
                        workload.owned[0],
                        workload.version + 1,
                        False,
                    )
                    self.foreign_changes += 1
                for _ in range(0 if workload.rolled_out(self.replicas) else ticks):
                    self.progress_rollout(target, workload)

    def progress_rollout(self, target: Target, workload: Workload) -> None:
        """The rollout takes one step; old pods leave only when new ones work."""
        old = [pod for pod in workload.pods if pod.pod_token != workload.template_token]
        new = [pod for pod in workload.pods if pod.pod_token == workload.template_token]
        if broken := [pod for pod in old if not pod.works]:
            if not workload.ordered:  # else its controller waits for the pod, for ever
                workload.pods.remove(broken[0])
        elif waiting := [pod for pod in new if not pod.works]:
            self.evict(target, workload, waiting[0].name)  # CrashLoopBackOff: reads the Secret anew
        elif len(new) < self.replicas and len(workload.pods) <= self.replicas:
            workload.pods.append(self.start(target, workload, workload.template_token))
        elif old and len(workload.pods) > self.replicas:
            workload.pods.remove(old[0])
        elif len(workload.pods) > self.replicas:
            workload.pods.pop()

    # how processes get at it
    def point(self) -> None:
        self.points += 1
        for event in self.schedule.pop(self.points, []):
            event()

    def gateway(self, policy: Policy, name: str = "gw1") -> Gateway:
        return Gateway(name, policy, self.window)

    def window(self, _: datetime) -> MaintenanceWindow:
        return MaintenanceWindow(
            self.open_window, None, "" if self.open_window else "outside its maintenance windows"
        )

    def process(self, skew: timedelta = timedelta()) -> Ports:
        from tests.actor import Process

        process = Process(self, skew)
        signers = SignerCache(process, self.proof_age, self.now)
        return Ports(process, signers, process, process, process, process, process, process)


def count(world: World, kind: type[Issue | RollBack]) -> int:
    return sum(isinstance(step, kind) for step in world.steps)
