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
from tests.rotation import invariants
from tests.rotation.faults import ANSWERS, DEATHS, STRANGE, Deed
from tests.rotation.model_fleet import HOUR, MINUTE, Estate, Shape
from tests.rotation.tally import CRASHED, FAULTS, TALLY, told
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
SKEWS = st.lists(st.integers(-10, 10).map(lambda n: n * SKEW), min_size=2, max_size=3)
DEED = st.builds(
    Deed, st.sampled_from(range(90)), st.sampled_from(DEATHS * 4 + ANSWERS * 4 + STRANGE), st.integers(0, 7)
)
DEEDS = st.lists(DEED, min_size=1, max_size=4)
ANY = st.integers(0, 7)


class Machine(RuleBasedStateMachine):
    revoke = Revocation.NEVER
    estate: Estate

    @initialize(shapes=st.lists(SHAPES, min_size=1, max_size=2), skews=SKEWS)
    def begin(self, shapes: list[Shape], skews: list[timedelta]) -> None:
        TALLY["schedules"] += 1
        self.estate = Estate(shapes, skews, self.revoke)
        for j in range(len(shapes)):
            self.estate.run(0, j)

    def gateway(self, n: int) -> int:
        return n % len(self.estate.worlds)

    @rule(i=ANY, j=ANY, deeds=DEEDS)
    def run(self, i: int, j: int, deeds: list[Deed]) -> None:
        self.estate.run(i, self.gateway(j), deeds)

    @rule(j=ANY, what=st.sampled_from(STRANGE), whom=ANY)
    def meddle(self, j: int, what: str, whom: int) -> None:
        self.estate.meddler.happen(what, self.gateway(j), whom)

    @rule(i=ANY, j=ANY, deeds=DEEDS, leak=st.booleans())
    def rotate_now(self, i: int, j: int, deeds: list[Deed], leak: bool) -> None:
        j = self.gateway(j)
        if self.estate.worlds[j].leader:
            self.estate.worlds[j].pass_time(LEASE + MINUTE)
        self.estate.meddler.happen("leak" if leak else "wish", j, i)
        self.estate.run(i, j, deeds)

    @rule(minutes=st.sampled_from([1, 5, 12, 60, 24 * 60, 9 * 24 * 60, 19 * 24 * 60]))
    def wait(self, minutes: int) -> None:
        self.estate.worlds[0].pass_time(minutes * MINUTE)

    @rule(i=ANY)
    def restart_process(self, i: int) -> None:
        self.estate.begin(self.estate.daemons[i % len(self.estate.daemons)])

    @rule(j=ANY, skew=st.integers(-10, 10))
    def fail_over(self, j: int, skew: int) -> None:
        """I5"""
        j = self.gateway(j)
        if invariants.calm(self.estate, j):
            TALLY["fail-overs at rest"] += 1
            invariants.undisturbed(self.estate, j, skew * SKEW)

    @rule(
        days=st.integers(4, 14),
        every=st.sampled_from([11, 22]),
        flips=st.sets(st.integers(0, 60), max_size=4),
    )
    def weeks(self, days: int, every: int, flips: set[int]) -> None:
        """I2: everything answers, processes run; windows may close for weeks, GitOps tools may fight."""
        estate = self.estate
        for w in estate.worlds:
            w.azure = True
            for c in w.targets.values():
                c.reachable = True
        for n in range(days * 24 // every):
            estate.worlds[0].pass_time(every * HOUR)
            for j, w in enumerate(estate.worlds):
                w.open_window ^= n in flips
                estate.run(n, j)
                if n * every > 3 * 24:
                    TALLY["looks for expired tokens"] += 1
                    invariants.unexpired(estate, j)

    @invariant()
    def kept(self) -> None:
        if hasattr(self, "estate"):
            invariants.kept(self.estate)

    def teardown(self) -> None:
        """I3: from wherever it is, once the world behaves, everything comes to rest on one good token."""
        if not hasattr(self, "estate"):
            return
        estate = self.estate
        for _ in range(2):
            for j in range(len(estate.worlds)):
                estate.heal()
                estate.ask(0, j)
            estate.settle()
        invariants.kept(estate)
        for j in range(len(estate.worlds)):
            invariants.at_rest(estate, j)


@pytest.mark.timeout(120 * TIMES + 600)
@pytest.mark.parametrize("revoke", Revocation)
def test_the_invariants_hold_whatever_happens(
    revoke: Revocation, record_property: Callable[[str, object], None]
) -> None:
    """I1-I6 for each way to revoke."""
    machine = type(f"Machine_{revoke.name}", (Machine,), {"revoke": revoke})
    TALLY.clear()
    CRASHED.clear()
    FAULTS.clear()
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=60 * TIMES,
            derandomize=TIMES == 1,  # whoever runs all tests sees the same; more schedules are new ones
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[p for p in Phase if p is not Phase.shrink or os.environ.get("SHRINK") != "no"],
            print_blob=False,
        ),
    )
    record_property("covered", told(f"{revoke}: "))
