"""Several gateways with targets in several clusters, and several processes that look after them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from rotator.core.policy import Policy
from rotator.core.records import Key, Revocation
from rotator.errors import Busy, LeaseLost, RotatorError, Stopping
from rotator.rotation import Outcome, Ports, request, rotate
from rotator.rotation.request import Noted
from tests.actor import Process
from tests.rotation.counters import COUNTS
from tests.rotation.faults import Fault, FaultInjector
from tests.world import LEASE, Crash, Time, World, drive

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


@dataclass(frozen=True)
class Shape:
    """What a gateway is like. clusters: in which cluster each of its targets is."""

    clusters: tuple[int, ...] = (0,)
    workloads: int = 1
    ordered: bool = False
    roll_back: bool = True
    replace_pods: bool = True
    deterministic: bool = True
    proof_age: timedelta = timedelta()
    joins: str = ""
    """How one more target in the first cluster looks at the beginning; empty: there is none."""

    def policy(self, revoke: Revocation) -> Policy:
        return Policy(revoke=revoke, roll_back=self.roll_back, replace_pods=self.replace_pods)

    def world(self, time: Time) -> World:
        world = World(time, deterministic=self.deterministic, proof_age=self.proof_age)
        value = world.mint(Key.SECONDARY, world.now + 29 * DAY)
        for number, cluster in enumerate(self.clusters):
            name = f"t{number}@c{cluster}"
            world.deploy(name, value, self.workloads)
            for workload in world.targets[name].workloads.values():
                workload.ordered = self.ordered and self.replace_pods
        if self.joins:
            world.join("joins@c0", self.joins, self.workloads)
        return world


@dataclass
class Daemon:
    """A process: its clock, what it remembers per gateway, and where it is at work."""

    skew: timedelta
    ports: list[Ports]
    busy: set[int] = field(default_factory=set)


class ModelFleet:
    """Gateways and daemons, both called by their number; of daemons any number counts modulo how many there are."""

    def __init__(self, shapes: Iterable[Shape], skews: Iterable[timedelta], revoke: Revocation) -> None:
        self.time = Time()
        self.shapes = tuple(shapes)
        self.worlds = [shape.world(self.time) for shape in self.shapes]
        self.gateways = [
            world.gateway(shape.policy(revoke)) for shape, world in zip(self.shapes, self.worlds, strict=True)
        ]
        self.daemons = [Daemon(skew, []) for skew in skews]
        self.faults = FaultInjector(self)
        for number in range(len(self.daemons)):
            self.restart(number)
        for world in self.worlds:
            world.at_call = self.faults.at_call

    def daemon(self, number: int) -> Daemon:
        return self.daemons[number % len(self.daemons)]

    def restart(self, number: int) -> None:
        """Start the daemon anew: it remembers nothing."""
        daemon = self.daemon(number)
        daemon.ports = [world.process(daemon.skew) for world in self.worlds]
        daemon.busy.clear()

    def run(self, number: int, gateway: int, faults: Iterable[Fault] = ()) -> Outcome | None:
        """The daemon brings the gateway to rest, as far as the faults let it; None: it did not get there."""
        daemon = self.daemon(number)
        if gateway in daemon.busy:
            return None
        process = daemon.ports[gateway].store
        assert isinstance(process, Process)
        process.taken, process.stopping, process.paused = 0, False, False
        self.faults.plan(process, faults)
        daemon.busy.add(gateway)
        COUNTS["runs"] += 1
        try:
            return drive(rotate(self.gateways[gateway], daemon.ports[gateway]))
        except (Crash, Stopping):
            self.restart(number)
        except LeaseLost:
            COUNTS["leases lost"] += 1
        except Busy:
            COUNTS["found it busy"] += 1
        except RotatorError:
            COUNTS["runs that failed"] += 1
        finally:
            daemon.busy.discard(gateway)
            self.faults.faults_left = bool(self.faults.plans.pop(process, None))
        return None

    def request(
        self, number: int, gateway: int, *, leak: bool = False, token: str | None = None
    ) -> Noted | None:
        """By way of the daemon: a near-expiry event about the token, or `rotate-now` if none is named."""
        world, ports = self.worlds[gateway], self.daemon(number).ports[gateway]
        expires_at = world.expiry(token) if token else None
        try:
            return drive(request(ports.store, ports.clock, leak=leak, expires_at=expires_at))
        except RotatorError:
            return None

    def end_faults(self) -> None:
        """From now on everything answers and no other writer acts."""
        for world in self.worlds:
            world.azure = world.open_window = world.revocable = True
            for target in world.targets.values():
                target.reachable, target.owned = True, None
                for workload in target.workloads.values():
                    workload.stuck, workload.failed, workload.owned = False, False, None

    def settle(self) -> None:
        """Daily runs of all daemons in turn, for as long as back-offs may last."""
        self.end_faults()
        self.worlds[0].pass_time(LEASE + HOUR)
        for day in range(7):
            for gateway in range(len(self.worlds)):
                self.run(day, gateway)
            self.worlds[0].pass_time(DAY)
        for gateway in range(len(self.worlds)):
            self.run(0, gateway)
