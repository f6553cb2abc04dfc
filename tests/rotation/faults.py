"""What strangers, networks and fate do to an estate: between runs, and at every call of a run."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from rotator.core.records import Key
from rotator.errors import Conflict, Refused, Unavailable
from tests.actor import Process
from tests.rotation.tally import CRASHED, FAULTS, TALLY
from tests.world import LEASE, Crash, Target, Workload, World

if TYPE_CHECKING:
    from tests.rotation.model_fleet import Estate

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)

OUTAGES = ["cluster away", "azure away", "not revocable", "window"]
SECRETS = ["set back", "set back for good", "newer", "replaced", "emptied", "left alone"]
WORKLOADS = ["hangs", "fails", "recovers", "pod restarts", "pod sick", "template", "template for good"]
WISHES = ["wish", "leak", "complaint", "regenerated"]
STRANGE = OUTAGES + SECRETS + WORKLOADS + WISHES
"""What may happen at any time."""
DEATHS = ["crash", "crash", "stop", "pause", "taken over"]
ANSWERS = ["unavailable", "conflict", "refused"]
NULL_REPORTER = {"release", "decided"}
"""Calls that never fail."""
GUARDED = {"write", "restart", "acquire", "request"}
"""Calls that may answer Conflict."""
SURE = {"write", "restart", "evict", "issue", "regenerate"}
"""Calls that may answer Refused."""
WIRE = SURE | {"observe", "find", "condemn", "count_repair", "request", "acquire"}
"""Calls that may remain without an answer."""


class Deed(NamedTuple):
    """after: how many calls (each has a before and an after) later than the deed before it."""

    after: int
    what: str
    whom: int


class Meddler:
    def __init__(self, estate: Estate) -> None:
        self.estate = estate
        self.plans: dict[Process, list[Deed]] = {}
        self.leaks: set[int] = set()
        self.unused = False
        """Whether the last run ended before all its deeds could happen."""

    def plan(self, p: Process, deeds: Iterable[Deed]) -> None:
        self.plans[p] = list(deeds)

    def interfere(self, p: Process, call: str, after: bool) -> None:
        """A call of a process begins or has ended: the next deed, if it is its turn."""
        deeds = self.plans.get(p)
        if not deeds:
            return
        after_, what, whom = deeds[0]
        if after_ > 0:
            deeds[0] = Deed(after_ - 1, what, whom)
            return
        deeds.pop(0)
        where = (type(p.step).__name__ if p.step else "first look", call, "after" if after else "before")
        if what in ANSWERS:
            self.answer(what, call, after, where)
        elif what in DEATHS:
            self.strike(p, what, whom, where)
        elif not p.committed:  # nothing fences a regenerate from strangers
            j = self.estate.worlds.index(p.world)
            self.happen(what, j, whom)

    def answer(self, what: str, call: str, after: bool, where: tuple[str, str, str]) -> None:
        match what:
            case "unavailable" if call in WIRE:
                error: Exception = Unavailable(f"{call}: no answer")
            case "refused" if call in SURE and not after:
                error = Refused(f"{call}: not allowed", "Allow it.")
            case "conflict" if call in GUARDED and not after:
                error = Conflict(call)
            case _:
                return
        FAULTS.add((what, *where[1:]))
        TALLY["calls that failed"] += 1
        raise error

    def strike(self, p: Process, what: str, whom: int, where: tuple[str, str, str]) -> None:
        estate = self.estate
        if what == "crash":
            CRASHED.add(where)
            TALLY["crashes"] += 1
            raise Crash
        if what == "stop":
            TALLY["asked to stop"] += 1
            p.stopping = True
        elif not p.committed:
            TALLY["pauses"] += 1
            p.paused = True
            p.world.pass_time(LEASE + MINUTE if what == "taken over" else whom * MINUTE)
            estate.run(whom, estate.worlds.index(p.world))

    def happen(self, what: str, j: int, whom: int) -> None:
        TALLY["meddlings"] += 1
        TALLY[what] += 1
        w = self.estate.worlds[j]
        c = list(w.targets.values())[whom % len(w.targets)]
        d = list(c.workloads.values())[whom // 2 % len(c.workloads)]
        if what in OUTAGES:
            self.outage(what, w, whom)
        elif what in SECRETS:
            w.foreign_changes += 1
            secret(what, w, c, whom)
        elif what in WORKLOADS:
            w.foreign_changes += 1
            workload(what, w, c, d, whom)
        elif what == "regenerated":
            w.generation[list(Key)[whom % 2]] += 1
        elif what == "complaint":
            told = w.history[-1 - whom % len(w.history)]
            self.estate.ask(whom, j, expires=told)
        else:
            if what == "leak":
                self.leaks.add(j)
            self.estate.ask(whom, j, leak=what == "leak")

    def outage(self, what: str, w: World, whom: int) -> None:
        match what:
            case "cluster away":
                for world in self.estate.worlds:
                    for name, c in world.targets.items():
                        if name.endswith(f"@c{whom % 3}"):
                            c.reachable = not c.reachable
            case "azure away":
                away = w.azure
                for world in self.estate.worlds:
                    world.azure = not away
            case "not revocable":
                w.revocable = not w.revocable
            case "window":
                w.open_window = not w.open_window


def secret(what: str, w: World, c: Target, whom: int) -> None:
    old = w.history[-1 - whom % len(w.history)]
    c.version += 1
    match what:
        case "set back":
            c.value = old
        case "set back for good":
            c.value = c.owned = old
        case "newer":
            c.value = w.mint(list(Key)[whom % 2], w.now + 29 * DAY + 60 * MINUTE)
            w.history.append(c.value)
        case "replaced":
            c.value, c.record, c.request, w.annotations_lost = old, None, None, True
        case "emptied":
            c.value = ""
        case "left alone":
            c.owned = None


def workload(what: str, w: World, c: Target, d: Workload, whom: int) -> None:
    match what:
        case "hangs":
            d.stuck = True
        case "fails":
            d.stuck = d.failed = True
        case "recovers":
            d.stuck = d.failed = False
        case "pod restarts" if d.pods:
            w.evict(c, d, d.pods[whom % len(d.pods)].name)
        case "pod sick" if d.pods:
            d.pods[whom % len(d.pods)].works = False
        case "template" | "template for good":
            d.mark, d.version, d.failed = None, d.version + 1, False
            d.owned = (None,) if what == "template for good" else None
