"""One thing goes wrong in a rotation, at each of its calls in turn, before the call and after it.

A crash strikes at each call; `MACHINE=10` lets all else strike at each call too, and not at every seventh.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta

import pytest

from rotator.core.records import Revocation
from tests.rotation import invariants
from tests.rotation.faults import ANSWERS, STRANGE, Deed
from tests.rotation.model_fleet import DAY, HOUR, MINUTE, Estate, Shape
from tests.rotation.tally import CRASHED, FAULTS

DEADLY = ["crash", "stop", "pause", "taken over", *ANSWERS]
LONG = int(os.environ.get("MACHINE", "1")) > 1
KINDS = [*DEADLY, *STRANGE] if LONG else DEADLY


def estate(revoke: Revocation) -> Estate:
    """Two targets in two clusters that have rotated once, and a leak that is to be answered."""
    e = Estate([Shape((0, 1))], [timedelta(seconds=20), timedelta(seconds=-20)], revoke)
    e.run(0, 0)
    e.ask(0, 0)
    e.run(0, 0)
    e.worlds[0].pass_time(2 * DAY + HOUR)
    e.run(1, 0)
    e.meddler.happen("leak", 0, 0)
    return e


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("revoke", Revocation)
def test_one_thing_goes_wrong_at_any_call(
    revoke: Revocation, kind: str, record_property: Callable[[str, object], None]
) -> None:
    """I1, I3, I4, I6: it costs one token at most, and time; never traffic, never a second rotation."""
    CRASHED.clear()
    FAULTS.clear()
    n, stride = 0, 1 if LONG or kind == "crash" else 7
    for n in range(0, 1000, stride):
        e = estate(revoke)
        w = e.worlds[0]
        issued, leaked = len(w.issued), w.targets["t0@c0"].value
        e.run(0, 0, [Deed(n, kind, 1)])
        if e.meddler.unused:
            break
        e.heal()
        for _ in range(3):
            w.pass_time(6 * MINUTE)
            e.run(1, 0)
        if kind in DEADLY:
            invariants.at_rest(e, 0)
            assert not w.alive(leaked), "the leaked token is still alive"
            assert len(w.issued) - issued <= 2, f"I3: {len(w.issued) - issued} tokens were issued"
        else:
            e.settle()
            invariants.at_rest(e, 0)
        invariants.kept(e)
    assert n > 50
    record_property("covered", f"{revoke}: {kind} at {len(range(0, n, stride))} of {n} moments of a rotation")
