"""Events that happen to one gateway, drawn at random."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import timedelta
from functools import partial

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from rotator.core.records import Key, Revocation
from rotator.errors import RotatorError
from rotator.rotation import Gateway
from tests.rotation.dsl import DAY, HOUR, end_faults, fleet, gateway_with, request_rotation, run
from tests.rotation.events import Event
from tests.rotation.faults import change_workload
from tests.world import LEASE, Crash, World

GAPS = [timedelta(), timedelta(minutes=2), HOUR, DAY, 9 * DAY, 19 * DAY, 26 * DAY]

EVENTS = [
    Event.CRASH,
    Event.POD_RESTARTS,
    Event.LEASE_TAKEN_OVER,
    Event.SECOND_RUN,
    Event.SECRET_SET_BACK,
    Event.SECRET_NEWER,
    Event.KEY_REGENERATED,
    Event.SECRET_REPLACED,
    Event.TARGET_UNREACHABLE,
    Event.AZURE_UNREACHABLE,
    Event.ROLLOUT_HANGS,
    Event.POD_UNHEALTHY,
    Event.WINDOW_CLOSED,
    Event.ROTATION_REQUESTED,
    Event.LEAK_REPORTED,
    Event.FAULTS_END,
]

TIMED_EVENT = st.tuples(st.sampled_from(EVENTS), st.integers(1, 14), st.integers(0, 7))

RUN = st.tuples(st.lists(TIMED_EVENT, max_size=3), st.sampled_from(GAPS))

RUNS = {
    "runs": st.lists(RUN, max_size=7),
    "targets": st.integers(1, 3),
    "workloads": st.integers(1, 2),
    "revoke": st.sampled_from(Revocation),
    "deterministic": st.sampled_from([True, True, True, False]),
    "joins": st.sampled_from(["", "", "other", "expired", "empty"]),
}

FEW = settings(
    max_examples=int(os.environ.get("N", "300")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[phase for phase in Phase if phase is not Phase.shrink or os.environ.get("SHRINK") != "no"],
)


def happen(world: World, gateway: Gateway, event: Event, choice: int) -> None:
    """Let an event happen. `choice`: picks the target, workload, pod or key that it happens to."""
    target = list(world.targets.values())[choice % len(world.targets)]
    workload = list(target.workloads.values())[choice % len(target.workloads)]
    match event:
        case Event.CRASH:
            raise Crash
        case Event.POD_RESTARTS | Event.ROLLOUT_HANGS:
            change_workload(event, world, target, workload, choice)
        case Event.LEASE_TAKEN_OVER:
            world.pass_time(LEASE + timedelta(minutes=1))
            run(world, gateway)
        case Event.SECOND_RUN:
            run(world, gateway)
        case Event.SECRET_SET_BACK:
            expires_at = max(world.expiry(target.value) - DAY, world.now + HOUR)
            target.overwrite(world.mint(Key.SECONDARY, expires_at))
        case Event.SECRET_NEWER:
            expires_at = world.now + 29 * DAY + HOUR
            target.overwrite(world.mint(list(Key)[choice % 2], expires_at))
        case Event.KEY_REGENERATED:
            world.generation[list(Key)[choice % 2]] += 1
        case Event.SECRET_REPLACED:
            target.value = world.mint(Key.SECONDARY, world.now + 5 * DAY)
            target.record, target.request, target.version = None, None, target.version + 1
        case Event.TARGET_UNREACHABLE:
            target.reachable = not target.reachable
        case Event.AZURE_UNREACHABLE:
            world.azure = not world.azure
        case Event.POD_UNHEALTHY:
            workload.pods[0].works = False
        case Event.WINDOW_CLOSED:
            world.open_window = not world.open_window
        case Event.ROTATION_REQUESTED | Event.LEAK_REPORTED:
            with suppress(RotatorError):
                request_rotation(world, leak=event is Event.LEAK_REPORTED)
        case Event.FAULTS_END:
            schedule, world.schedule = world.schedule, {}
            end_faults(world)
            world.schedule = schedule


def live(runs, targets, workloads, revoke, deterministic, joins, without=()):  # type: ignore[no-untyped-def]
    """Run a gateway through these runs and the events during each; events in `without` do not happen."""
    world, gateway = fleet(targets, workloads, deterministic=deterministic), gateway_with(revoke)
    if joins:
        world.join("joins", joins, workloads)
    for events, gap in runs:
        world.schedule = {}
        for event, later, choice in events:
            if event not in without:
                world.schedule.setdefault(world.points + later, []).append(
                    partial(happen, world, gateway, event, choice)
                )
        run(world, gateway)
        world.pass_time(gap)
    world.schedule = {}
    return world, gateway
