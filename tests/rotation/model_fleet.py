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
from tests.rotation.faults import Deed, Meddler
from tests.rotation.tally import TALLY
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
        w = World(time, deterministic=self.deterministic, proof_age=self.proof_age)
        value = w.mint(Key.SECONDARY, w.now + 29 * DAY)
        for n, cluster in enumerate(self.clusters):
            w.deploy(f"t{n}@c{cluster}", value, self.workloads)
            for d in w.targets[f"t{n}@c{cluster}"].workloads.values():
                d.ordered = self.ordered and self.replace_pods
        if self.joins:
            w.join("joins@c0", self.joins, self.workloads)
        return w


@dataclass
class Daemon:
    """A process: its clock, what it remembers per gateway, and where it is at work."""

    skew: timedelta
    ports: list[Ports]
    busy: set[int] = field(default_factory=set)


class Estate:
    def __init__(self, shapes: Iterable[Shape], skews: Iterable[timedelta], revoke: Revocation) -> None:
        self.time = Time()
        self.shapes = tuple(shapes)
        self.worlds = [s.world(self.time) for s in self.shapes]
        self.gateways = [w.gateway(s.policy(revoke)) for s, w in zip(self.shapes, self.worlds, strict=True)]
        self.daemons = [Daemon(skew, []) for skew in skews]
        self.meddler = Meddler(self)
        for d in self.daemons:
            self.begin(d)
        for w in self.worlds:
            w.at_call = self.meddler.interfere

    def begin(self, d: Daemon) -> None:
        """Start the process anew: nothing is remembered."""
        d.ports = [w.process(d.skew) for w in self.worlds]
        d.busy.clear()

    def run(self, i: int, j: int, deeds: Iterable[Deed] = ()) -> Outcome | None:
        """Daemon i brings gateway j to rest, as far as deeds let it; None: it did not get there."""
        d = self.daemons[i % len(self.daemons)]
        if j in d.busy:
            return None
        p = d.ports[j].fleet
        assert isinstance(p, Process)
        p.taken, p.stopping, p.paused = 0, False, False
        self.meddler.plan(p, deeds)
        d.busy.add(j)
        TALLY["runs"] += 1
        try:
            return drive(rotate(self.gateways[j], d.ports[j]))
        except (Crash, Stopping):
            self.begin(d)
        except LeaseLost:
            TALLY["leases lost"] += 1
        except Busy:
            TALLY["found it busy"] += 1
        except RotatorError:
            TALLY["runs that failed"] += 1
        finally:
            d.busy.discard(j)
            self.meddler.unused = bool(self.meddler.plans.pop(p, None))
        return None

    def daemon_of(self, p: Process) -> Daemon:
        return next(d for d in self.daemons if any(x.fleet is p for x in d.ports))

    def ask(self, i: int, j: int, *, leak: bool = False, expires: str | None = None) -> Noted | None:
        """A complaint about the token `expires`, or `rotate-now`, by way of daemon i."""
        w, ports = self.worlds[j], self.daemons[i % len(self.daemons)].ports[j]
        at = w.expiry(expires) if expires else None
        try:
            return drive(request(ports.fleet, ports.clock, leak=leak, expires_at=at))
        except RotatorError:
            return None

    def heal(self) -> None:
        """The world behaves from now on."""
        for w in self.worlds:
            w.azure = w.open_window = w.revocable = True
            for c in w.targets.values():
                c.reachable, c.owned = True, None
                for d in c.workloads.values():
                    d.stuck, d.failed, d.owned = False, False, None

    def settle(self) -> None:
        """Daily runs of all processes in turn, for as long as back-offs and truces may last."""
        self.heal()
        self.worlds[0].pass_time(LEASE + HOUR)
        for n in range(7):
            for j in range(len(self.worlds)):
                self.run(n, j)
            self.worlds[0].pass_time(DAY)
        for j in range(len(self.worlds)):
            self.run(0, j)
