"""One thing goes wrong in a rotation, at each of its calls in turn, before the call and after it.

A crash happens at each call; `MACHINE=10` lets every other event happen at each call too, not at every seventh.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta

import pytest

from rotator.core.records import Revocation
from tests.rotation import counters, invariants
from tests.rotation.events import Event
from tests.rotation.faults import ANY_TIME, CALL_ERRORS, Fault
from tests.rotation.model_fleet import DAY, HOUR, MINUTE, ModelFleet, Shape

FAULTS = [Event.CRASH, Event.STOP, Event.PAUSE, Event.LEASE_TAKEN_OVER, *CALL_ERRORS]
LONG = int(os.environ.get("MACHINE", "1")) > 1
EVENTS = [*FAULTS, *ANY_TIME] if LONG else FAULTS


def fleet_with_a_leak(revoke: Revocation) -> ModelFleet:
    """Two targets in two clusters that have rotated once, and a leak that is to be answered."""
    fleet = ModelFleet([Shape((0, 1))], [timedelta(seconds=20), timedelta(seconds=-20)], revoke)
    fleet.run(0, 0)
    fleet.request(0, 0)
    fleet.run(0, 0)
    fleet.worlds[0].pass_time(2 * DAY + HOUR)
    fleet.run(1, 0)
    fleet.faults.inject(Event.LEAK_REPORTED, 0, 0)
    return fleet


@pytest.mark.timeout(900)
@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("revoke", Revocation)
def test_one_thing_goes_wrong_at_any_call(
    revoke: Revocation, event: Event, record_property: Callable[[str, object], None]
) -> None:
    """I1, I3, I4, I6: it costs one token at most, and time; never traffic, never a second rotation."""
    counters.clear()
    calls, stride = 0, 1 if LONG or event is Event.CRASH else 7
    for calls in range(0, 1000, stride):
        fleet = fleet_with_a_leak(revoke)
        world = fleet.worlds[0]
        issued, leaked = len(world.issued), world.targets["t0@c0"].value
        fleet.run(0, 0, [Fault(calls, event, 1)])
        if fleet.faults.faults_left:
            break
        fleet.end_faults()
        for _ in range(3):
            world.pass_time(6 * MINUTE)
            fleet.run(1, 0)
        if event in FAULTS:
            invariants.at_rest(fleet, 0)
            assert not world.alive(leaked), "the leaked token is still alive"
            assert len(world.issued) - issued <= 2, f"I3: {len(world.issued) - issued} tokens were issued"
        else:
            fleet.settle()
            invariants.at_rest(fleet, 0)
        invariants.hold(fleet)
    assert calls > 50
    record_property(
        "covered", f"{revoke}: {event} at {len(range(0, calls, stride))} of {calls} moments of a rotation"
    )
