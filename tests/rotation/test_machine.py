"""The invariants, on a model of everything that can happen to several gateways and processes.

`MACHINE=10 pytest tests/rotation/test_machine.py` takes ten times as many schedules.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from rotator.core.records import Revocation
from tests.rotation import counters, invariants
from tests.rotation.counters import COUNTS
from tests.rotation.events import Event
from tests.rotation.faults import ANY_TIME, CALL_ERRORS, PROCESS_FAULTS, Fault
from tests.rotation.model_fleet import HOUR, MINUTE, ModelFleet, Shape
from tests.world import LEASE

TIMES = int(os.environ.get("MACHINE", "1"))
SKEW = timedelta(seconds=float(os.environ.get("SKEW", "2")))

SHAPES = st.builds(
    Shape,
    clusters=st.sampled_from([(0,), (0, 0), (0, 1), (0, 1, 2)]),
    workloads=st.integers(1, 2),
    ordered=st.booleans(),
    roll_back=st.sampled_from([True, True, False]),
    replace_pods=st.sampled_from([True, True, False]),
    deterministic=st.sampled_from([True, True, True, False]),
    proof_age=st.sampled_from([timedelta(), 6 * HOUR]),
    joins=st.sampled_from(["", "", "other", "expired", "empty"]),
)
SKEWS = st.lists(st.integers(-10, 10).map(lambda times: times * SKEW), min_size=2, max_size=3)
FAULT = st.builds(
    Fault,
    st.sampled_from(range(90)),
    st.sampled_from(PROCESS_FAULTS * 4 + CALL_ERRORS * 4 + ANY_TIME),
    st.integers(0, 7),
)
FAULTS = st.lists(FAULT, min_size=1, max_size=4)
ANY = st.integers(0, 7)


class Machine(RuleBasedStateMachine):
    revoke = Revocation.NEVER
    fleet: ModelFleet

    @initialize(shapes=st.lists(SHAPES, min_size=1, max_size=2), skews=SKEWS)
    def begin(self, shapes: list[Shape], skews: list[timedelta]) -> None:
        COUNTS["schedules"] += 1
        self.fleet = ModelFleet(shapes, skews, self.revoke)
        for gateway in range(len(shapes)):
            self.fleet.run(0, gateway)

    def gateway(self, number: int) -> int:
        return number % len(self.fleet.worlds)

    @rule(daemon=ANY, gateway=ANY, faults=FAULTS)
    def run(self, daemon: int, gateway: int, faults: list[Fault]) -> None:
        self.fleet.run(daemon, self.gateway(gateway), faults)

    @rule(gateway=ANY, event=st.sampled_from(ANY_TIME), choice=ANY)
    def inject(self, gateway: int, event: Event, choice: int) -> None:
        self.fleet.faults.inject(event, self.gateway(gateway), choice)

    @rule(daemon=ANY, gateway=ANY, faults=FAULTS, leak=st.booleans())
    def rotate_now(self, daemon: int, gateway: int, faults: list[Fault], leak: bool) -> None:
        gateway = self.gateway(gateway)
        if self.fleet.worlds[gateway].leader:
            self.fleet.worlds[gateway].pass_time(LEASE + MINUTE)
        event = Event.LEAK_REPORTED if leak else Event.ROTATION_REQUESTED
        self.fleet.faults.inject(event, gateway, daemon)
        self.fleet.run(daemon, gateway, faults)

    @rule(minutes=st.sampled_from([1, 5, 12, 60, 24 * 60, 9 * 24 * 60, 19 * 24 * 60]))
    def wait(self, minutes: int) -> None:
        self.fleet.worlds[0].pass_time(minutes * MINUTE)

    @rule(daemon=ANY)
    def restart_process(self, daemon: int) -> None:
        self.fleet.restart(daemon)

    @rule(gateway=ANY, skew=st.integers(-10, 10))
    def fail_over(self, gateway: int, skew: int) -> None:
        """I5"""
        gateway = self.gateway(gateway)
        if invariants.is_at_rest(self.fleet, gateway):
            COUNTS["fail-overs at rest"] += 1
            invariants.fail_over_does_nothing(self.fleet, gateway, skew * SKEW)

    @rule(
        days=st.integers(4, 14),
        every=st.sampled_from([11, 22]),
        flips=st.sets(st.integers(0, 60), max_size=4),
    )
    def weeks(self, days: int, every: int, flips: set[int]) -> None:
        """I2: everything answers, processes run; windows may close for weeks, GitOps tools may fight."""
        fleet = self.fleet
        for world in fleet.worlds:
            world.azure = True
            for target in world.targets.values():
                target.reachable = True
        for number in range(days * 24 // every):
            fleet.worlds[0].pass_time(every * HOUR)
            for gateway, world in enumerate(fleet.worlds):
                world.open_window ^= number in flips
                fleet.run(number, gateway)
                if number * every > 3 * 24:
                    COUNTS["looks for expired tokens"] += 1
                    invariants.nothing_expired(fleet, gateway)

    @invariant()
    def invariants_hold(self) -> None:
        if hasattr(self, "fleet"):
            invariants.hold(self.fleet)

    def teardown(self) -> None:
        """I3: from wherever it is, once the faults end, everything comes to rest on one good token."""
        if not hasattr(self, "fleet"):
            return
        fleet = self.fleet
        for _ in range(2):
            for gateway in range(len(fleet.worlds)):
                fleet.end_faults()
                fleet.request(0, gateway)
            fleet.settle()
        invariants.hold(fleet)
        for gateway in range(len(fleet.worlds)):
            invariants.at_rest(fleet, gateway)


@pytest.mark.timeout(120 * TIMES + 600)
@pytest.mark.parametrize("revoke", Revocation)
def test_the_invariants_hold_whatever_happens(
    revoke: Revocation, record_property: Callable[[str, object], None]
) -> None:
    """I1-I6 for each way to revoke."""
    machine = type(f"Machine_{revoke.name}", (Machine,), {"revoke": revoke})
    counters.clear()
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=60 * TIMES,
            derandomize=TIMES == 1,  # every run of all tests draws the same; more schedules are new ones
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[
                phase for phase in Phase if phase is not Phase.shrink or os.environ.get("SHRINK") != "no"
            ],
            print_blob=False,
        ),
    )
    record_property("covered", counters.summary(f"{revoke}: "))
