"""Faults of processes, networks and other writers, between the runs of a fleet and at every call of a run."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from rotator.core.records import Key
from rotator.errors import Conflict, Refused, Unavailable
from tests.actor import Process
from tests.rotation.counters import CALL_FAULTS, COUNTS, CRASH_POINTS
from tests.rotation.events import Event
from tests.world import LEASE, Crash, Target, Workload, World

if TYPE_CHECKING:
    from tests.rotation.model_fleet import ModelFleet

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)

OUTAGES = [
    Event.CLUSTER_UNREACHABLE,
    Event.AZURE_UNREACHABLE,
    Event.REGENERATION_REFUSED,
    Event.WINDOW_CLOSED,
]
SECRET_CHANGES = [
    Event.SECRET_SET_BACK,
    Event.SECRET_OWNED,
    Event.SECRET_NEWER,
    Event.SECRET_REPLACED,
    Event.SECRET_EMPTIED,
    Event.SECRET_RELEASED,
]
WORKLOAD_CHANGES = [
    Event.ROLLOUT_HANGS,
    Event.ROLLOUT_FAILS,
    Event.ROLLOUT_RECOVERS,
    Event.POD_RESTARTS,
    Event.POD_UNHEALTHY,
    Event.TEMPLATE_SET_BACK,
    Event.TEMPLATE_OWNED,
]
REQUESTS = [Event.ROTATION_REQUESTED, Event.LEAK_REPORTED, Event.NEAR_EXPIRY, Event.KEY_REGENERATED]
ANY_TIME = OUTAGES + SECRET_CHANGES + WORKLOAD_CHANGES + REQUESTS
"""What may happen at any time."""
PROCESS_FAULTS = [Event.CRASH, Event.CRASH, Event.STOP, Event.PAUSE, Event.LEASE_TAKEN_OVER]
CALL_ERRORS = [Event.UNAVAILABLE, Event.CONFLICT, Event.REFUSED]
MAY_CONFLICT = {"write", "restart", "acquire", "request"}
MAY_BE_REFUSED = {"write", "restart", "evict", "issue", "regenerate"}
MAY_BE_UNAVAILABLE = MAY_BE_REFUSED | {"observe", "find", "condemn", "count_restore", "request", "acquire"}


class Fault(NamedTuple):
    """An event at a call of a run. `calls`: how many calls (each has a before and an after) later than the
    fault before it. `choice`: picks the target, workload, key or process that it happens to.
    """

    calls: int
    event: Event
    choice: int


class FaultInjector:
    def __init__(self, fleet: ModelFleet) -> None:
        self.fleet = fleet
        self.plans: dict[Process, list[Fault]] = {}
        self.leaks: set[int] = set()
        """The gateways about which a leak was reported."""
        self.faults_left = False
        """Whether the last run ended before all its faults could happen."""

    def plan(self, process: Process, faults: Iterable[Fault]) -> None:
        self.plans[process] = list(faults)

    def at_call(self, process: Process, call: str, after: bool) -> None:
        """A call of a process begins or has ended: inject the next fault, if it is its turn."""
        faults = self.plans.get(process)
        if not faults:
            return
        calls, event, choice = faults[0]
        if calls > 0:
            faults[0] = Fault(calls - 1, event, choice)
            return
        faults.pop(0)
        step = type(process.step).__name__ if process.step else "first look"
        where = (step, call, "after" if after else "before")
        if event in CALL_ERRORS:
            self.fail_call(event, call, after, where)
        elif event in PROCESS_FAULTS:
            self.fail_process(process, event, choice, where)
        elif not process.committed:  # nothing fences a regenerate from other writers
            self.inject(event, self.fleet.worlds.index(process.world), choice)

    def fail_call(self, event: Event, call: str, after: bool, where: tuple[str, str, str]) -> None:
        match event:
            case Event.UNAVAILABLE if call in MAY_BE_UNAVAILABLE:
                error: Exception = Unavailable(f"{call}: no answer")
            case Event.REFUSED if call in MAY_BE_REFUSED and not after:
                error = Refused(f"{call}: not allowed", "Allow it.")
            case Event.CONFLICT if call in MAY_CONFLICT and not after:
                error = Conflict(call)
            case _:
                return
        CALL_FAULTS.add((event, *where[1:]))
        COUNTS["calls that failed"] += 1
        raise error

    def fail_process(self, process: Process, event: Event, choice: int, where: tuple[str, str, str]) -> None:
        if event is Event.CRASH:
            CRASH_POINTS.add(where)
            COUNTS["crashes"] += 1
            raise Crash
        if event is Event.STOP:
            COUNTS["asked to stop"] += 1
            process.stopping = True
        elif not process.committed:
            COUNTS["pauses"] += 1
            process.paused = True
            process.world.pass_time(LEASE + MINUTE if event is Event.LEASE_TAKEN_OVER else choice * MINUTE)
            self.fleet.run(choice, self.fleet.worlds.index(process.world))

    def inject(self, event: Event, number: int, choice: int) -> None:
        """Let an event happen to the gateway of this number."""
        COUNTS["events"] += 1
        COUNTS[event] += 1
        world = self.fleet.worlds[number]
        target = list(world.targets.values())[choice % len(world.targets)]
        workload = list(target.workloads.values())[choice // 2 % len(target.workloads)]
        if event in OUTAGES:
            self.toggle_outage(event, world, choice)
        elif event in SECRET_CHANGES:
            world.foreign_changes += 1
            change_secret(event, world, target, choice)
        elif event in WORKLOAD_CHANGES:
            world.foreign_changes += 1
            change_workload(event, world, target, workload, choice)
        elif event is Event.KEY_REGENERATED:
            world.generation[list(Key)[choice % 2]] += 1
        elif event is Event.NEAR_EXPIRY:
            token = world.history[-1 - choice % len(world.history)]
            self.fleet.request(choice, number, token=token)
        else:
            if event is Event.LEAK_REPORTED:
                self.leaks.add(number)
            self.fleet.request(choice, number, leak=event is Event.LEAK_REPORTED)

    def toggle_outage(self, event: Event, world: World, choice: int) -> None:
        match event:
            case Event.CLUSTER_UNREACHABLE:
                for each in self.fleet.worlds:
                    for name, target in each.targets.items():
                        if name.endswith(f"@c{choice % 3}"):
                            target.reachable = not target.reachable
            case Event.AZURE_UNREACHABLE:
                answers = not world.azure
                for each in self.fleet.worlds:
                    each.azure = answers
            case Event.REGENERATION_REFUSED:
                world.revocable = not world.revocable
            case Event.WINDOW_CLOSED:
                world.open_window = not world.open_window


def change_secret(event: Event, world: World, target: Target, choice: int) -> None:
    old = world.history[-1 - choice % len(world.history)]
    target.version += 1
    match event:
        case Event.SECRET_SET_BACK:
            target.value = old
        case Event.SECRET_OWNED:
            target.value = target.owned = old
        case Event.SECRET_NEWER:
            target.value = world.mint(list(Key)[choice % 2], world.now + 29 * DAY + 60 * MINUTE)
            world.history.append(target.value)
        case Event.SECRET_REPLACED:
            target.value, target.record, target.request, world.annotations_lost = old, None, None, True
        case Event.SECRET_EMPTIED:
            target.value = ""
        case Event.SECRET_RELEASED:
            target.owned = None


def change_workload(event: Event, world: World, target: Target, workload: Workload, choice: int) -> None:
    pods = workload.pods
    match event:
        case Event.ROLLOUT_HANGS:
            workload.stuck = True
        case Event.ROLLOUT_FAILS:
            workload.stuck = workload.failed = True
        case Event.ROLLOUT_RECOVERS:
            workload.stuck = workload.failed = False
        case Event.POD_RESTARTS if pods:
            world.evict(target, workload, pods[choice % len(pods)].name)
        case Event.POD_UNHEALTHY if pods:
            pods[choice % len(pods)].works = False
        case Event.TEMPLATE_SET_BACK | Event.TEMPLATE_OWNED:
            workload.template_token, workload.version, workload.failed = None, workload.version + 1, False
            workload.owned = (None,) if event is Event.TEMPLATE_OWNED else None
